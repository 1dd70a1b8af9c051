"""EDGE: how a command reaches a secured Kafka: `--command-config FILE`, and the environment.

The file has Kafka's or librdkafka's names (client_properties.py). A variable is a name in capitals
with `_` for `.`: SASL_PASSWORD for sasl.password; those count where SECURITY_PROTOCOL is among
them, and the file stands above them. Secrets come from there alone: what stands on a command line
everybody can see.
Tests: tests/unit/cli/asking/test_command_config.py, tests/system/commands/test_command_config.py
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any

from ...broker.config.properties import ConfigError
from ...broker.config.properties_file import parse_properties
from ...broker.security.stores import KeyAndCertificates, read_keystore, read_truststore
from ...client.security.tls import load_chain
from .client_properties import (
    KNOWN,
    PROTOCOL,
    SERVERS,
    ClientProperties,
    client_properties,
    holds_secrets,
)
from .tokens import tokens_of

OTHERS = 0o077  # the bits of a mode that let anybody else in


class Secured:
    """What a file and the environment say, made ready for our clients.

    Args:
        needs_user: whether who logs in must be said, where somebody must.

    Attributes:
        servers: the file's bootstrap.servers.
        given: all that they say, by the names that they use.
        arguments: of security, by the names that Producer, Consumer and Admin have for them.

    Raises:
        ConfigError: they say what cannot be, or name what cannot be read.
    """

    def __init__(
        self, path: str | None, environment: Mapping[str, str], *, needs_user: bool = True
    ) -> None:
        self.given = {**_of_environment(environment), **_of_file(path)}
        properties = client_properties(self.given, needs_user=needs_user)
        self.servers = properties.servers
        self.arguments: dict[str, Any] = {"security_protocol": properties.protocol}
        if properties.protocol.endswith("SSL"):
            self.arguments["ssl_context"] = _context(properties)
        login = properties.login
        if login is not None:
            self.arguments["sasl_mechanism"] = login.mechanism
            if login.token is not None:
                self.arguments["sasl_oauth_token_provider"] = tokens_of(login.token)
            if login.password is not None:
                self.arguments["sasl_plain_username"] = login.username
                self.arguments["sasl_plain_password"] = login.password.reveal()


def _of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {name: name.upper().replace(".", "_") for name in KNOWN - {SERVERS}}
    if names[PROTOCOL] not in environment:
        return {}
    return {name: environment[each] for name, each in names.items() if each in environment}


def _of_file(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        with Path(path).open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            given = parse_properties(file.read())
    except OSError as error:
        raise ConfigError(f"--command-config {path}: {error.strerror}") from None
    except (UnicodeDecodeError, ConfigError) as error:
        raise ConfigError(f"--command-config {path}: {error}") from None
    if mode & OTHERS and holds_secrets(given):
        print(
            f"minibroker: {path} holds a secret, and others may read it "
            f"(mode {mode & 0o777:04o}): chmod 600 {path}",
            file=sys.stderr,
        )
    return given


def _context(properties: ClientProperties) -> SSLContext:
    if properties.truststore is None:
        context = ssl.create_default_context()
    else:
        try:
            context = ssl.create_default_context(cadata=read_truststore(properties.truststore))
        except ssl.SSLError as error:
            raise ConfigError(f"the truststore has no certificate: {error.reason}") from None
    context.check_hostname = properties.checks_hostname
    if properties.keystore is not None:
        with _written(properties) as (path, password):
            load_chain(context, path, None, password, "ssl.key.password")
    return context


@contextmanager
def _written(properties: ClientProperties) -> Iterator[tuple[str, str | None]]:
    """The client's own key and certificates in one file: ssl takes nothing else. 0600, and gone."""
    keystore = properties.keystore
    assert keystore is not None
    if properties.key_file is None or keystore.location is None:
        own = read_keystore(keystore)
    else:
        texts = [_text_of(each) for each in (keystore.location, properties.key_file)]
        password = keystore.key_password
        own = KeyAndCertificates(
            texts[1], texts[0], None if password is None else password.reveal()
        )
    with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="minibroker-") as file:
        file.write(f"{own.key}\n{own.certificates}")
        file.flush()
        yield file.name, own.password


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
