"""EDGE: logins by OAUTHBEARER in the matrix: tokens, the broker's settings, each client's options.

Where the broker's listener is SASL_PLAINTEXT it takes tokens that nobody has signed, at SASL_SSL
those that a key of a JWKS file has signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minibroker.testing.security.broker_security import MECHANISMS, BrokerSecurity

from tests.interop.matrix.catalogue import LIBRDKAFKA, Client
from tests.support.security.tokens import CLAIMS, jwks, signed, unsigned

UNSIGNED, SIGNED = "OAUTHBEARER-unsigned", "OAUTHBEARER-signed"
OF_PROTOCOL = {"SASL_PLAINTEXT": UNSIGNED, "SASL_SSL": SIGNED}
_CLASSES = "org.apache.kafka.common.security.oauthbearer"
_MODULE = f"{_CLASSES}.OAuthBearerLoginModule required"
_UNSECURED = "internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
_SHORT = {
    "security_protocol": "protocol",
    "sasl_mechanism": "mechanism",
    "sasl_plain_username": "username",
    "sasl_plain_password": "password",
    "ssl_cafile": "cafile",
    "token": "token",
}


class Bearers:
    """Tokens of alice, and files below `home` with keys and with a token."""

    def __init__(self, home: Path) -> None:
        self.tokens = {UNSIGNED: unsigned(CLAIMS), SIGNED: signed(CLAIMS)}
        self._keys, self._token = home / "jwks.json", home / "token"
        self._keys.write_bytes(jwks("a", "b"))
        self._token.write_text(self.tokens[SIGNED], encoding="ascii")

    @property
    def java_options(self) -> str:
        """Java reads tokens from files only that it was started with."""
        prefix = "-Dorg.apache.kafka.sasl.oauthbearer.allowed"
        return f"{prefix}.urls={self._token.as_uri()} {prefix}.files={self._token}"

    def settings(self, protocol: str) -> Mapping[str, str]:
        """Properties of the broker."""
        if protocol not in OF_PROTOCOL:
            return {}
        prefix = f"listener.name.{protocol.lower()}.oauthbearer.sasl"
        found = {
            "sasl.enabled.mechanisms": ",".join((*MECHANISMS, "OAUTHBEARER")),
            f"{prefix}.jaas.config": f"{_MODULE};",
        }
        if OF_PROTOCOL[protocol] == SIGNED:
            return found | {f"{prefix}.oauthbearer.jwks.endpoint.url": self._keys.as_uri()}
        return found | {f"{prefix}.server.callback.handler.class": f"{_CLASSES}.{_UNSECURED}"}

    def options(self, client: Client, security: BrokerSecurity, mechanism: str) -> Any:
        """What the program of a client takes for its own."""
        if client.library == "java":
            return self._java(security.properties(), mechanism)
        if client.name == "kcat":  # makes unsigned tokens itself, and has no others
            given = _without_user(security.confluent_kafka(), "sasl.username", "sasl.password")
            return given | {
                "enable.sasl.oauthbearer.unsecure.jwt": "true",
                "sasl.oauthbearer.config": "principal=alice",
                "sasl.mechanisms": "OAUTHBEARER",
            }
        token = {"token": self.tokens[mechanism]}
        if client.library == LIBRDKAFKA:
            given = _without_user(security.confluent_kafka(), "sasl.username", "sasl.password")
            return given | token | {"sasl.mechanisms": "OAUTHBEARER"}
        given = _without_user(security.options(), "sasl_plain_username", "sasl_plain_password")
        given |= token | {"sasl_mechanism": "OAUTHBEARER"}
        return given if client.library in ("kafka-python", "aiokafka") else shortened(given)

    def _java(self, given: dict[str, str], mechanism: str) -> dict[str, str]:
        given["sasl.mechanism"] = "OAUTHBEARER"
        if mechanism == UNSIGNED:
            return given | {"sasl.jaas.config": f'{_MODULE} unsecuredLoginStringClaim_sub="alice";'}
        return given | {
            "sasl.jaas.config": f"{_MODULE};",
            "sasl.login.callback.handler.class": f"{_CLASSES}.OAuthBearerLoginCallbackHandler",
            "sasl.oauthbearer.token.endpoint.url": self._token.as_uri(),
        }


def shortened(given: Mapping[str, Any]) -> dict[str, Any]:
    """For programs in other languages."""
    return {_SHORT[name]: value for name, value in given.items()}


def _without_user(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in names}
