"""OAUTHBEARER (RFC 7628): a token that somebody else has issued, and extensions beside it.

client        n,[a=AUTHZID],^Aauth=Bearer TOKEN^A[KEY=VALUE^A...]^A
server        nothing, or {"status":"invalid_token"} if the token is not taken; to that the
client        answers ^A, and hears that it was refused.

What a token must be is decided elsewhere (`judge`); here are the messages around it.

Source: OAuthBearerClientInitialResponse.java, OAuthBearerSaslServer.java, KIP-255, KIP-342.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .outcomes import Challenge, Granted, SaslDenied, SaslRefused

MECHANISM = "OAUTHBEARER"
SEPARATOR = "\x01"
GIVEN_UP = SEPARATOR.encode()
"""What a client says to a server that has told why it refuses: the server then ends it."""

_TOKEN = re.compile(r"[-A-Za-z0-9._~+/]+=*", re.ASCII)
_NAME = re.compile(r"[A-Za-z]+", re.ASCII)
_VALUE = re.compile(r"[\x21-\x7E \t\r\n]+", re.ASCII)
_SASLNAME = r"(?:[\x01-\x2b\x2d-\x3c\x3e-\x7f]|=2C|=3D)+"
_FIRST = re.compile(
    rf"n,(?:a=(?P<authzid>{_SASLNAME}))?,"
    r"\x01(?P<pairs>(?:[A-Za-z]+=[\x21-\x7e \t\r\n]+\x01)*)\x01"
)
_AUTH = re.compile(r"(?P<scheme>[A-Za-z0-9_]+) +(?P<token>[-_.a-zA-Z0-9]+)")


@dataclass(frozen=True, slots=True)
class GoodToken:
    """Whose a token is, and until when, in ms since 1970."""

    username: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class BadToken:
    """Why a token is not taken: `status` is told to the client (RFC 6750), `why` is logged."""

    why: str
    status: str = "invalid_token"
    scope: str | None = None


def bearer_message(token: str, extensions: Mapping[str, str]) -> bytes:
    """What a client says first.

    Args:
        extensions: further names and values, such as a managed service asks for.

    Raises:
        ValueError: a token or an extension that cannot travel; the text never shows the token.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token has letters that no bearer token has (RFC 6750), or none")
    for name, value in extensions.items():
        if name == "auth" or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"an extension {name!r} cannot travel: letters, and a printable value")
    said = "".join(f"{name}={value}{SEPARATOR}" for name, value in extensions.items())
    return f"n,,{SEPARATOR}auth=Bearer {token}{SEPARATOR}{said}{SEPARATOR}".encode()


class OAuthBearerServer:
    """The server's half of one login.

    Args:
        judge: says whose a token is, or why it is not taken; must not block.
    """

    def __init__(self, judge: Callable[[str], GoodToken | BadToken]) -> None:
        self._judge = judge
        self._error = ""

    def step(self, token: bytes) -> Challenge | Granted:
        """Take the client's token, or its answer to an error. Raises SaslRefused, SaslDenied."""
        if self._error and token == GIVEN_UP:
            raise SaslDenied(self._error)
        self._error = ""
        bearer, authzid = _parsed(token)
        found = self._judge(bearer)
        if isinstance(found, BadToken):
            self._error = _json(found)
            return Challenge(self._error.encode())
        if authzid not in ("", found.username):
            raise SaslDenied(
                f"Authentication failed: Client requested an authorization id ({authzid}) that is "
                f"different from the token's principal name ({found.username})"
            )
        return Granted(found.username, expires_at_ms=found.expires_at_ms)


def _parsed(message: bytes) -> tuple[str, str]:
    """The bearer token and the authorization id of a client's message."""
    try:
        match = _FIRST.fullmatch(message.decode())
    except UnicodeDecodeError:
        match = None
    if match is None:
        raise SaslRefused("that is no OAUTHBEARER message")
    pairs = dict(pair.split("=", 1) for pair in match["pairs"].split(SEPARATOR)[:-1])
    if "auth" not in pairs:
        raise SaslRefused("the OAUTHBEARER message has no auth")
    auth = _AUTH.fullmatch(pairs["auth"])
    if auth is None or auth["scheme"].lower() != "bearer":
        raise SaslRefused("the OAUTHBEARER message has an auth that is no bearer token")
    authzid = (match["authzid"] or "").replace("=2C", ",").replace("=3D", "=")
    return auth["token"], authzid


def _json(bad: BadToken) -> str:
    """The error as Kafka writes it, with its spaces."""
    scope = f', "scope":{json.dumps(bad.scope)}' if bad.scope is not None else ""
    return f'{{"status":{json.dumps(bad.status)}{scope}}}'
