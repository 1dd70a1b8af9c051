"""What a client's file of properties says of security: Kafka's names and librdkafka's. Pure.

One name means one thing; where the two families have different names, both are known. What is said
twice, and what belongs to what is not there, is refused. Names outside security are no business of
a command: the file is often shared with an application.
Source: CommonClientConfigs, SslConfigs and SaslConfigs.java; librdkafka's CONFIGURATION.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...broker.config.listener_security import Store
from ...broker.config.properties import ConfigError, Secret, nearest
from ...broker.security.jaas import LoginModule, parse_jaas

PROTOCOL: Final = "security.protocol"
SERVERS: Final = "bootstrap.servers"
PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
ENDPOINT: Final = "sasl.oauthbearer.token.endpoint.url"
SCOPE: Final = "sasl.oauthbearer.scope"
# librdkafka's name -> Kafka's, where they mean the same
SYNONYMS: Final = {
    "sasl.mechanisms": "sasl.mechanism",
    "ssl.ca.pem": "ssl.truststore.certificates",
    "ssl.key.pem": "ssl.keystore.key",
    "ssl.certificate.pem": "ssl.keystore.certificate.chain",
    "sasl.oauthbearer.client.id": "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.secret": "sasl.oauthbearer.client.credentials.client.secret",
}
SECRETS: Final = frozenset(
    {
        *("sasl.jaas.config", "sasl.password", "ssl.key.password", "ssl.keystore.key"),
        *("ssl.keystore.password", "ssl.truststore.password"),
        "sasl.oauthbearer.client.credentials.client.secret",
    }
)
TLS_NAMES: Final = frozenset(
    {
        *("ssl.truststore.location", "ssl.truststore.type", "ssl.truststore.password"),
        *("ssl.truststore.certificates", "ssl.keystore.location", "ssl.keystore.type"),
        *("ssl.keystore.password", "ssl.keystore.key", "ssl.keystore.certificate.chain"),
        *("ssl.key.password", "ssl.ca.location", "ssl.certificate.location", "ssl.key.location"),
        "ssl.endpoint.identification.algorithm",
    }
)
SASL_NAMES: Final = frozenset(
    {
        *("sasl.mechanism", "sasl.jaas.config", "sasl.username", "sasl.password", ENDPOINT, SCOPE),
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.credentials.client.secret",
    }
)
# Valid, and decided here by the ssl module and the protocol; naming them changes no promise.
LEFT_ALONE: Final = frozenset(
    {
        *("ssl.protocol", "ssl.enabled.protocols", "ssl.cipher.suites", "ssl.provider"),
        *("ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.engine.factory.class"),
        *("ssl.secure.random.implementation", "sasl.login.callback.handler.class"),
        *("sasl.client.callback.handler.class", "sasl.login.class", "sasl.oauthbearer.method"),
        *("sasl.oauthbearer.jwt.retriever.class", "security.providers"),
    }
)
KNOWN: Final = {PROTOCOL, SERVERS, *SYNONYMS, *TLS_NAMES, *SASL_NAMES}
SAFE: Final = ("https://", "file://", "http://localhost:", "http://127.0.0.1:")
NO_CHECK: Final = "enable.ssl.certificate.verification"
PEM_MODULES: Final = {"PLAIN": "PlainLoginModule", "OAUTHBEARER": "OAuthBearerLoginModule"}


@dataclass(frozen=True, slots=True, repr=False)
class TokenEndpoint:
    """Where tokens come from: an issuer's endpoint (OAuth's client credentials), or a file.

    Attributes:
        subject: of unsecured tokens that are made here; the endpoint is empty then.
    """

    url: str
    client_id: str = ""
    client_secret: Secret | None = None
    scope: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class ClientLogin:
    """Who logs in, and how: with a name and a password, or with a token.

    Neither password nor token: the user is not said, and asked for by whoever needs none here.
    """

    mechanism: str
    username: str = ""
    password: Secret | None = None
    token: TokenEndpoint | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ClientProperties:
    """What a file says; stores are named, and not yet read.

    Attributes:
        key_file: PEM, where it is not in the keystore (librdkafka's ssl.key.location).
    """

    protocol: str
    servers: str | None
    login: ClientLogin | None
    truststore: Store | None
    keystore: Store | None
    key_file: str | None
    checks_hostname: bool


def client_properties(given: Mapping[str, str], *, needs_user: bool = True) -> ClientProperties:
    """What the properties say.

    Args:
        needs_user: whether who logs in must be said, where somebody must.

    Raises:
        ConfigError: a name that is none, or names that do not go together.
    """
    found = _by_kafkas_name(given)
    protocol = found.pop(PROTOCOL, "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise ConfigError(f"{PROTOCOL}={protocol}: expected one of {', '.join(PROTOCOLS)}")
    for names, prefix, wanted in ((TLS_NAMES, "SSL", "SSL"), (SASL_NAMES, "SASL_", "SASL_SSL")):
        stray = [name for name in found if name in names and prefix not in protocol]
        if stray:
            raise ConfigError(f"{stray[0]} needs {PROTOCOL}={wanted} or the like, not {protocol}")
    return ClientProperties(
        protocol,
        found.get(SERVERS),
        _login(found, needs_user=needs_user) if "SASL_" in protocol else None,
        _truststore(found),
        _keystore(found),
        found.get("ssl.key.location"),
        found.get("ssl.endpoint.identification.algorithm", "https").lower() == "https",
    )


def holds_secrets(given: Mapping[str, str]) -> bool:
    """Whether others had better not read it."""
    return any(SYNONYMS.get(name, name) in SECRETS for name in given)


def _by_kafkas_name(given: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        if name == NO_CHECK and value.lower() != "true":
            raise ConfigError(
                f"{name}={value}: a certificate that nobody looks at protects from nobody; "
                "ssl.ca.location names the authority that signed it"
            )
        meant = SYNONYMS.get(name, name)
        if meant in found:
            raise ConfigError(f"{name} and {meant} are both given, and mean the same")
        if meant in KNOWN:
            found[meant] = value.strip() if meant not in SECRETS else value
        elif name.startswith(("ssl.", "sasl.", "security.")) and name not in LEFT_ALONE:
            raise ConfigError(f"{name} is not known here{nearest(name, sorted(KNOWN))}")
    return found


def _login(found: Mapping[str, str], *, needs_user: bool) -> ClientLogin:
    mechanism, jaas = found.get("sasl.mechanism"), found.get("sasl.jaas.config")
    module = None if jaas is None else parse_jaas("sasl.jaas.config", Secret(jaas))
    if mechanism is None:
        raise ConfigError("sasl.mechanism is missing: PLAIN, SCRAM-SHA-512, OAUTHBEARER or another")
    if module is not None:
        wanted = PEM_MODULES.get(mechanism, "ScramLoginModule")
        if not module.module.endswith(wanted):
            text = f"sasl.jaas.config: {module.module} is not for {mechanism}, {wanted} is"
            raise ConfigError(text)
    if mechanism == "OAUTHBEARER":
        return ClientLogin(mechanism, token=_token(found, module))
    username, password = found.get("sasl.username"), found.get("sasl.password")
    if module is not None:
        if username is not None or password is not None:
            raise ConfigError("give sasl.jaas.config, or sasl.username and sasl.password, not both")
        username, password = module.options.get("username"), module.options.get("password")
    if not username and not password and not needs_user:
        return ClientLogin(mechanism)
    if not username or not password:
        raise ConfigError(
            f"sasl.mechanism={mechanism} needs a user: sasl.username and sasl.password, or "
            'sasl.jaas.config with username="..." password="..."'
        )
    return ClientLogin(mechanism, username, Secret(password))


def _token(found: Mapping[str, str], module: LoginModule | None) -> TokenEndpoint:
    options = {} if module is None else module.options
    subject = options.get("unsecuredLoginStringClaim_sub", "")
    url = found.get(ENDPOINT, "")
    if bool(url) == bool(subject):
        raise ConfigError(
            f"sasl.mechanism=OAUTHBEARER needs {ENDPOINT} (https:// or file://), or for tests "
            'unsecuredLoginStringClaim_sub="NAME" in sasl.jaas.config, not both'
        )
    secret = found.get("sasl.oauthbearer.client.credentials.client.secret")
    secret = secret if secret is not None else options.get("clientSecret")
    name = found.get("sasl.oauthbearer.client.credentials.client.id", options.get("clientId", ""))
    if url.startswith("http") and (not name or not secret):
        raise ConfigError(f"{ENDPOINT} needs a clientId and a clientSecret in sasl.jaas.config")
    if url and not url.startswith(SAFE):
        raise ConfigError(f"{ENDPOINT}={url}: expected https:// or file://")
    return TokenEndpoint(
        url,
        name,
        None if secret is None else Secret(secret),
        found.get(SCOPE, options.get("scope", "")),
        subject,
    )


def _truststore(found: Mapping[str, str]) -> Store | None:
    """Whom to trust, by either family's names; None for the system's authorities."""
    names = ("ssl.truststore.location", "ssl.truststore.certificates", "ssl.ca.location")
    location, certificates, pem_file = map(found.get, names)
    given = sum(each is not None for each in (location, certificates, pem_file))
    if given > 1:
        raise ConfigError(f"give one of {', '.join(names)}")
    if not given:
        return None
    return Store(
        "truststore",
        _kind(found, "truststore", "JKS" if location is not None else "PEM"),
        location or pem_file,
        _secret(found, "ssl.truststore.password"),
        None if certificates is None else Secret(certificates),
    )


def _keystore(found: Mapping[str, str]) -> Store | None:
    location = found.get("ssl.keystore.location")
    chain, key = found.get("ssl.keystore.certificate.chain"), found.get("ssl.keystore.key")
    pem_file, key_file = (
        found.get("ssl.certificate.location"),
        found.get("ssl.key.location"),
    )
    ways = [
        location is not None,
        chain is not None or key is not None,
        pem_file is not None,
    ]
    if sum(ways) > 1:
        raise ConfigError(
            "give one of ssl.keystore.location, ssl.keystore.key with ssl.keystore.certificate."
            "chain, and ssl.certificate.location with ssl.key.location"
        )
    if key_file is not None and pem_file is None:
        raise ConfigError("ssl.key.location needs ssl.certificate.location")
    if not any(ways):
        return None
    if (chain is None) != (key is None):
        raise ConfigError("ssl.keystore.key and ssl.keystore.certificate.chain belong together")
    return Store(
        "keystore",
        _kind(found, "keystore", "JKS" if location is not None else "PEM"),
        location or pem_file,
        _secret(found, "ssl.keystore.password"),
        None if chain is None else Secret(chain),
        None if key is None else Secret(key),
        _secret(found, "ssl.key.password"),
    )


def _kind(found: Mapping[str, str], what: str, otherwise: str) -> str:
    """The type of a store: as told, or as its name ends; Kafka's default is JKS."""
    told = found.get(f"ssl.{what}.type")
    if told is not None:
        return told.upper()
    location = found.get(f"ssl.{what}.location", "").lower()
    if location.endswith((".p12", ".pfx")):
        return "PKCS12"
    return "PEM" if location.endswith((".pem", ".crt", ".cer")) else otherwise


def _secret(found: Mapping[str, str], name: str) -> Secret | None:
    return Secret(found[name]) if name in found else None
