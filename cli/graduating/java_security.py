"""EDGE: what a client's file of properties says of TLS and SASL, as Java's clients are told it.

Our commands take librdkafka's names as well, guess the type of a store from the name of its file,
and find files from where they are called. Java does none of this: so names become Kafka's, types
are said, and paths begin at the root. Of files only a certificate and a key that librdkafka has
in two files are read: Java has them in one, or in properties.
Source: SslConfigs, SaslConfigs.java; DefaultSslEngineFactory (PEM).
Tests: tests/unit/cli/graduating/test_java_security.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ...broker.config.listener_security import Store
from ..asking.client_properties import (
    ENDPOINT,
    LEFT_ALONE,
    PROTOCOL,
    SCOPE,
    SECRETS,
    ClientLogin,
    client_properties,
)

MODULES: Final = "org.apache.kafka.common.security"
CALLBACKS: Final = "sasl.login.callback.handler.class"
TOKENS_FROM_ISSUER: Final = f"{MODULES}.oauthbearer.OAuthBearerLoginCallbackHandler"
LIBRDKAFKAS: Final = "sasl.oauthbearer.method"
ALGORITHM: Final = "ssl.endpoint.identification.algorithm"
JAAS: Final = "sasl.jaas.config"


def is_secret(name: str) -> bool:
    """Whether others had better not read the value of a property."""
    return name in SECRETS


def java_security(
    given: Mapping[str, str], read: Callable[[Path], str] = Path.read_text
) -> dict[str, str]:
    """Properties for Java's clients; none where nothing is said of security.

    Args:
        given: by Kafka's names or librdkafka's, as they were told.
        read: the text of a file.

    Raises:
        ConfigError: names that do not go together.
        OSError: a file cannot be read.
    """
    properties = client_properties(given, needs_user=False)
    if properties.protocol == "PLAINTEXT":
        return {}
    found = {PROTOCOL: properties.protocol}
    found |= {name: given[name] for name in LEFT_ALONE - {LIBRDKAFKAS} if name in given}
    if properties.protocol.endswith("SSL"):
        if not properties.checks_hostname:
            found[ALGORITHM] = ""
        if properties.truststore is not None:
            found |= _store(properties.truststore, None, read)
        if properties.keystore is not None:
            found |= _store(properties.keystore, properties.key_file, read)
    if properties.login is not None:
        found |= _login(properties.login, given.get(JAAS))
    return found


def _store(store: Store, key_file: str | None, read: Callable[[Path], str]) -> dict[str, str]:
    prefix = f"ssl.{store.what}"
    found = {f"{prefix}.type": store.kind}
    chain = None if store.certificates is None else store.certificates.reveal()
    key = None if store.key is None else store.key.reveal()
    if store.location is not None and key_file is not None:
        chain, key = read(Path(store.location)), read(Path(key_file))
        found[f"{prefix}.type"] = "PEM"
    elif store.location is not None:
        found[f"{prefix}.location"] = str(Path(store.location).absolute())
    if chain is not None:
        name = "certificates" if store.what == "truststore" else "certificate.chain"
        found[f"{prefix}.{name}"] = chain
    if key is not None:
        found[f"{prefix}.key"] = key
    if store.password is not None:
        found[f"{prefix}.password"] = store.password.reveal()
    if store.key_password is not None:
        found["ssl.key.password"] = store.key_password.reveal()
    return found


def _login(login: ClientLogin, jaas: str | None) -> dict[str, str]:
    found = {"sasl.mechanism": login.mechanism}
    options: dict[str, str] = {}
    module = "scram.ScramLoginModule"
    if login.mechanism == "PLAIN":
        module = "plain.PlainLoginModule"
    if login.password is not None:
        options = {"username": login.username, "password": login.password.reveal()}
    token = login.token
    if token is not None:
        module = "oauthbearer.OAuthBearerLoginModule"
        if token.url:
            found |= {ENDPOINT: token.url, CALLBACKS: TOKENS_FROM_ISSUER}
        if token.scope:
            found[SCOPE] = token.scope
        if token.client_secret is not None:
            options = {"clientId": token.client_id, "clientSecret": token.client_secret.reveal()}
            options |= {"scope": token.scope} if token.scope else {}
    said = "".join(f' {name}="{_quoted(value)}"' for name, value in options.items())
    found[JAAS] = jaas if jaas is not None else f"{MODULES}.{module} required{said};"
    return found


def _quoted(value: str) -> str:
    """Within the double quotes of a JAAS line."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
