"""What one listener is told of TLS and SASL: its own properties over the general ones.

    listener.name.external.ssl.keystore.location=...            over ssl.keystore.location
    listener.name.external.plain.sasl.jaas.config=...           over listener.name.external.sasl...

Files are not looked at here; whoever makes the listener does (broker/security/stores.py).
Source: ListenerName.configPrefix, KafkaConfig.valuesWithPrefixOverride, ChannelBuilders.
Tests: tests/unit/broker/config/test_listener_security.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from .properties import ConfigError, Secret, Value, nearest
from .security import SecurityConfig

PREFIX = "listener.name."
PLAIN, OAUTHBEARER = "PLAIN", "OAUTHBEARER"
MECHANISMS = (PLAIN, "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER)


class SecurityProtocol(Enum):
    """What is spoken at a listener."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def has_tls(self) -> bool:
        """Whether bytes are encrypted."""
        return self in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @property
    def has_sasl(self) -> bool:
        """Whether clients log in."""
        return self in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)


@dataclass(frozen=True, slots=True)
class Store:
    """A keystore or a truststore as it was told; files are named, and not yet read.

    Args:
        what: "keystore" or "truststore", for messages.
        certificates: in PEM, in place of a file.
        key: the private key in PEM, in place of a file.
        key_password: opens the private key.
    """

    what: str
    kind: str
    location: str | None
    password: Secret | None
    certificates: Secret | None
    key: Secret | None = None
    key_password: Secret | None = None


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How a listener speaks TLS."""

    keystore: Store
    truststore: Store | None
    client_auth: str
    versions: tuple[str, ...]
    cipher_suites: tuple[str, ...]
    principal_rules: str


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which tokens OAUTHBEARER takes."""

    handler_class: str | None
    jaas: Secret | None
    jwks_url: str | None
    refresh_ms: int
    audience: tuple[str, ...]
    issuer: str | None
    clock_skew_s: int
    subject_claim: str
    scope_claim: str


@dataclass(frozen=True, slots=True)
class SaslSettings:
    """How clients log in at a listener.

    Args:
        mechanisms: those enabled, in the order given.
        jaas: the line of a mechanism, where there is one.
        reauth_ms: how long a login holds, by mechanism; 0 for ever.
        tokens: None unless OAUTHBEARER is enabled.
    """

    mechanisms: tuple[str, ...]
    jaas: Mapping[str, Secret]
    reauth_ms: Mapping[str, int]
    failed_delay_ms: int
    receive_bytes_max: int
    tokens: TokenSettings | None = None


@dataclass(frozen=True, slots=True)
class ListenerSecurity:
    """What a listener demands of its clients; neither for PLAINTEXT."""

    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    tls: TlsSettings | None = None
    sasl: SaslSettings | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def is_secured(self) -> bool:
        """Whether bytes are encrypted or clients log in."""
        return self.tls is not None or self.sasl is not None


PLAINTEXT = ListenerSecurity()


def property_of(name: str) -> str:
    """The property behind the prefix: `ssl.keystore.type` of `listener.name.x.ssl.keystore.type`.

    Raises:
        ConfigError: the property is none that a listener can have of its own.
    """
    properties = security_properties()
    rest = name.removeprefix(PREFIX)
    while "." in rest:  # a listener's name may have dots, too
        rest = rest.partition(".")[2]
        if rest in properties:
            return rest
    own = name.removeprefix(PREFIX).partition(".")[2]
    raise ConfigError(f"unknown property {name}{nearest(own, properties)}")


def security_properties() -> Mapping[str, Any]:
    """The properties a listener can have of its own, by name."""
    return {
        each.metadata["property"].name: each.metadata["property"] for each in fields(SecurityConfig)
    }


class _Values:
    """The value in force at one listener."""

    def __init__(self, name: str, config: SecurityConfig, own: Mapping[str, Value]) -> None:
        self._prefix = f"{PREFIX}{name.lower()}."
        self._own = own
        self._general = {
            each_name: getattr(config, each_name.replace(".", "_"))
            for each_name in security_properties()
        }

    def own(self, name: str) -> Any:
        """What was given for this listener alone."""
        return self._own.get(self._prefix + name)

    def of(self, name: str, mechanism: str | None = None) -> Any:
        """What is in force, for a mechanism if one is named."""
        if mechanism is not None and (full := f"{mechanism.lower()}.{name}") is not None:
            value = self.own(full)
            if value is not None:
                return value
        value = self.own(name)
        return self._general[name] if value is None else value


def listener_security(
    name: str, protocol: SecurityProtocol, config: SecurityConfig, own: Mapping[str, Value]
) -> ListenerSecurity:
    """What a listener is told.

    Args:
        name: of the listener.
        config: the general properties.
        own: those with a prefix, by their whole name, of all listeners.

    Raises:
        ConfigError: something is missing that the protocol needs; the text names it.
    """
    if protocol is SecurityProtocol.PLAINTEXT:
        return PLAINTEXT
    values = _Values(name, config, own)
    warnings: list[str] = []
    tls = _tls(name, protocol, values, warnings) if protocol.has_tls else None
    sasl = _sasl(name, values) if protocol.has_sasl else None
    return ListenerSecurity(protocol, tls, sasl, tuple(warnings))


def _tls(
    name: str, protocol: SecurityProtocol, values: _Values, warnings: list[str]
) -> TlsSettings:
    keystore = Store(
        "keystore",
        values.of("ssl.keystore.type"),
        values.of("ssl.keystore.location"),
        values.of("ssl.keystore.password"),
        values.of("ssl.keystore.certificate.chain"),
        values.of("ssl.keystore.key"),
        values.of("ssl.key.password"),
    )
    if keystore.location is None and None in (keystore.key, keystore.certificates):
        raise ConfigError(
            f"ssl.keystore.location: listener {name} is {protocol.value} and has no certificate: "
            "give ssl.keystore.type=PEM and ssl.keystore.location=FILE with the private key and "
            "its certificates, or ssl.keystore.key and ssl.keystore.certificate.chain"
        )
    truststore: Store | None = Store(
        "truststore",
        values.of("ssl.truststore.type"),
        values.of("ssl.truststore.location"),
        values.of("ssl.truststore.password"),
        values.of("ssl.truststore.certificates"),
    )
    assert truststore is not None
    if truststore.location is None and truststore.certificates is None:
        truststore = None
    client_auth = values.of("ssl.client.auth")
    if protocol is SecurityProtocol.SASL_SSL and client_auth != "none":
        # As in Kafka: a setting that was there before is not to lock clients out that log in.
        client_auth = values.own("ssl.client.auth") or "none"
        if client_auth == "none":
            warnings.append(
                f"ssl.client.auth has no effect at listener {name}, which is SASL_SSL: give "
                f"{PREFIX}{name.lower()}.ssl.client.auth"
            )
    if client_auth != "none" and truststore is None:
        raise ConfigError(
            f"ssl.truststore.location: listener {name} asks for client certificates "
            "(ssl.client.auth) and names no authority to believe: give ssl.truststore.type=PEM and "
            "ssl.truststore.location=FILE, or ssl.truststore.certificates"
        )
    return TlsSettings(
        keystore,
        truststore,
        client_auth,
        values.of("ssl.enabled.protocols"),
        values.of("ssl.cipher.suites"),
        values.of("ssl.principal.mapping.rules"),
    )


def _sasl(name: str, values: _Values) -> SaslSettings:
    mechanisms: tuple[str, ...] = values.of("sasl.enabled.mechanisms")
    for each in mechanisms:
        if each not in MECHANISMS:
            raise ConfigError(
                f"sasl.enabled.mechanisms={each}: listener {name} can have "
                f"{', '.join(MECHANISMS)}; give sasl.enabled.mechanisms=SCRAM-SHA-512, for example"
            )
    if not mechanisms:
        raise ConfigError(f"sasl.enabled.mechanisms: listener {name} needs one of {MECHANISMS}")
    jaas = {each: values.own(f"{each.lower()}.sasl.jaas.config") for each in mechanisms}
    if PLAIN in mechanisms and jaas[PLAIN] is None:
        prefix = f"{PREFIX}{name.lower()}.plain."
        raise ConfigError(
            f"{prefix}sasl.jaas.config: PLAIN has no users: give {prefix}sasl.jaas.config="
            'org.apache.kafka.common.security.plain.PlainLoginModule required user_NAME="PASSWORD";'
        )
    return SaslSettings(
        mechanisms,
        {each: line for each, line in jaas.items() if line is not None},
        {each: max(values.of("connections.max.reauth.ms", each), 0) for each in mechanisms},
        values.of("connection.failed.authentication.delay.ms"),
        values.of("sasl.server.max.receive.size"),
        _tokens(values, jaas[OAUTHBEARER]) if OAUTHBEARER in mechanisms else None,
    )


def _tokens(values: _Values, jaas: Secret | None) -> TokenSettings:
    def of(name: str) -> Any:
        return values.of(name, OAUTHBEARER)

    return TokenSettings(
        of("sasl.server.callback.handler.class"),
        jaas,
        of("sasl.oauthbearer.jwks.endpoint.url"),
        of("sasl.oauthbearer.jwks.endpoint.refresh.ms"),
        of("sasl.oauthbearer.expected.audience"),
        of("sasl.oauthbearer.expected.issuer"),
        of("sasl.oauthbearer.clock.skew.seconds"),
        of("sasl.oauthbearer.sub.claim.name"),
        of("sasl.oauthbearer.scope.claim.name"),
    )
