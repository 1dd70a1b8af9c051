"""The broker's properties for TLS and SASL; all of them Kafka's. BrokerConfig has them too.

Each may be given for one listener alone, as `listener.name.<name in small letters>.` and the
property; those of a mechanism as `listener.name.<name>.<mechanism>.` and the property. What comes
of that for a listener: listener_security.py.
Tests: tests/unit/broker/config/test_listener_security.py
"""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.configs import ConfigType
from .properties import INT_MAX, Secret, setting

_STRING, _LIST, _PASSWORD = ConfigType.STRING, ConfigType.LIST, ConfigType.PASSWORD
_INT, _LONG, _CLASS = ConfigType.INT, ConfigType.LONG, ConfigType.CLASS

STORE_TYPES = ("PEM", "PKCS12", "JKS")
CLIENT_AUTH = ("none", "requested", "required")
TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityConfig:
    """What listeners with TLS or SASL are told."""

    ssl_keystore_type: str = setting(
        "ssl.keystore.type",
        _STRING,
        "JKS",
        "What the keystore is; JKS, Kafka's default, is refused with the command that converts it.",
        choices=STORE_TYPES,
    )
    ssl_keystore_location: str | None = setting(
        "ssl.keystore.location",
        _STRING,
        None,
        "The file with the private key and the certificates; for PEM both in one file. It is read "
        "anew when it has changed.",
    )
    ssl_keystore_password: Secret | None = setting(
        "ssl.keystore.password", _PASSWORD, None, "Opens a PKCS12 keystore; PEM has none."
    )
    ssl_keystore_key: Secret | None = setting(
        "ssl.keystore.key", _PASSWORD, None, "The private key itself, in PEM."
    )
    ssl_keystore_certificate_chain: Secret | None = setting(
        "ssl.keystore.certificate.chain",
        _PASSWORD,
        None,
        "The certificates that go with ssl.keystore.key, in PEM, the broker's own first.",
    )
    ssl_key_password: Secret | None = setting(
        "ssl.key.password", _PASSWORD, None, "Opens the private key, if it is encrypted."
    )
    ssl_truststore_type: str = setting(
        "ssl.truststore.type",
        _STRING,
        "JKS",
        "What the truststore is; JKS, Kafka's default, is refused with the command that converts "
        "it.",
        choices=STORE_TYPES,
    )
    ssl_truststore_location: str | None = setting(
        "ssl.truststore.location",
        _STRING,
        None,
        "The file with the authorities whose client certificates are believed.",
    )
    ssl_truststore_password: Secret | None = setting(
        "ssl.truststore.password", _PASSWORD, None, "Opens a PKCS12 truststore; PEM has none."
    )
    ssl_truststore_certificates: Secret | None = setting(
        "ssl.truststore.certificates", _PASSWORD, None, "Those authorities themselves, in PEM."
    )
    ssl_client_auth: str = setting(
        "ssl.client.auth",
        _STRING,
        "none",
        "Whether a client needs a certificate (required), may have one (requested) or is not asked."
        " At SASL_SSL it counts only for a listener by name.",
        choices=CLIENT_AUTH,
    )
    ssl_enabled_protocols: tuple[str, ...] = setting(
        "ssl.enabled.protocols",
        _LIST,
        TLS_VERSIONS,
        "The versions of TLS that are spoken.",
        choices=TLS_VERSIONS,
    )
    ssl_cipher_suites: tuple[str, ...] = setting(
        "ssl.cipher.suites",
        _LIST,
        (),
        "The cipher suites that are allowed, as Java or OpenSSL names them; none for OpenSSL's own "
        "choice. Those of TLS 1.3 are allowed together or not at all.",
    )
    ssl_principal_mapping_rules: str = setting(
        "ssl.principal.mapping.rules",
        _STRING,
        "DEFAULT",
        "What name a client's certificate gives it: RULE:pattern/replacement/[LU] by commas, the "
        "first that matches; DEFAULT is the whole distinguished name.",
    )
    sasl_enabled_mechanisms: tuple[str, ...] = setting(
        "sasl.enabled.mechanisms",
        _LIST,
        ("GSSAPI",),
        "How clients may log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER. GSSAPI, Kafka's "
        "default, is not done here.",
    )
    sasl_jaas_config: Secret | None = setting(
        "sasl.jaas.config",
        _PASSWORD,
        None,
        "A login module and its options, as Kafka writes them; given for a listener and a "
        'mechanism. For PLAIN the users: user_NAME="PASSWORD".',
    )
    sasl_server_callback_handler_class: str | None = setting(
        "sasl.server.callback.handler.class",
        _CLASS,
        None,
        "Of OAUTHBEARER, one of Kafka's two: ...OAuthBearerUnsecuredValidatorCallbackHandler takes "
        "tokens that nobody has signed.",
    )
    sasl_server_max_receive_size: int = setting(
        "sasl.server.max.receive.size",
        _INT,
        524_288,
        "The largest request of a client that has not logged in, in bytes.",
        at_least=1,
    )
    connections_max_reauth_ms: int = setting(
        "connections.max.reauth.ms",
        _LONG,
        0,
        "How long a login holds before the client must log in again, in ms; 0 for ever.",
    )
    connection_failed_authentication_delay_ms: int = setting(
        "connection.failed.authentication.delay.ms",
        _INT,
        100,
        "How much later a failed login is told, in ms.",
        at_least=0,
        at_most=INT_MAX,
    )
    sasl_oauthbearer_jwks_endpoint_url: str | None = setting(
        "sasl.oauthbearer.jwks.endpoint.url",
        _STRING,
        None,
        "Where the keys are that sign tokens: https://... or file:///...",
    )
    sasl_oauthbearer_jwks_endpoint_refresh_ms: int = setting(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        _LONG,
        3_600_000,
        "How often they are fetched anew, in ms.",
        at_least=1000,
    )
    sasl_oauthbearer_expected_audience: tuple[str, ...] = setting(
        "sasl.oauthbearer.expected.audience",
        _LIST,
        (),
        "Whom a token must be meant for: one of these; none for anybody.",
    )
    sasl_oauthbearer_expected_issuer: str | None = setting(
        "sasl.oauthbearer.expected.issuer", _STRING, None, "Who must have issued a token."
    )
    sasl_oauthbearer_clock_skew_seconds: int = setting(
        "sasl.oauthbearer.clock.skew.seconds",
        _INT,
        30,
        "How far the issuer's clock may differ, in seconds.",
        at_least=0,
    )
    sasl_oauthbearer_sub_claim_name: str = setting(
        "sasl.oauthbearer.sub.claim.name", _STRING, "sub", "The claim that names the user."
    )
    sasl_oauthbearer_scope_claim_name: str = setting(
        "sasl.oauthbearer.scope.claim.name", _STRING, "scope", "The claim that lists scopes."
    )
