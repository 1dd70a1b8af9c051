"""PLAIN (RFC 4616): the user's name and password in one message, as they are.

Whoever sees the bytes has the password: that is what TLS is for. The server's texts are Kafka's.
Source: PlainSaslServer.java.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest

from .outcomes import OTHER_AUTHORIZATION_ID, Granted, SaslDenied

MECHANISM = "PLAIN"
NUL = "\0"
_FIELDS = 3


def plain_message(username: str, password: str) -> bytes:
    """What a client says, and all of it.

    Raises:
        ValueError: a name or password with NUL, which is what stands between them, or without
            any letter.
    """
    for what, text in (("user name", username), ("password", password)):
        if not text:
            raise ValueError(f"the {what} is empty, and PLAIN has no such")
        if NUL in text:
            raise ValueError(f"the {what} has a NUL in it, and PLAIN has no way to say that")
    return f"{NUL}{username}{NUL}{password}".encode()


class PlainServer:
    """The server's half of one login.

    Args:
        password_of: the password of a user; None for an unknown one.
    """

    def __init__(self, password_of: Callable[[str], str | None]) -> None:
        self._password_of = password_of

    def step(self, token: bytes) -> Granted:
        """Take the client's only token. Raises SaslDenied."""
        # As Java decodes it: what is no UTF-8 matches no user.
        fields = token.decode("utf-8", "replace").split(NUL, _FIELDS)
        if len(fields) != _FIELDS:
            raise SaslDenied(f"Invalid SASL/PLAIN response: expected 3 tokens, got {len(fields)}")
        authorization_id, username, password = fields
        if not username:
            raise SaslDenied("Authentication failed: username not specified")
        if not password:
            raise SaslDenied("Authentication failed: password not specified")
        expected = self._password_of(username)
        # Compared even where there is no such user, and in constant time: neither the text nor the
        # time it takes tells one failure from the other.
        is_right = compare_digest(password.encode(), (expected or "").encode())
        if expected is None or not is_right:
            raise SaslDenied("Authentication failed: Invalid username or password")
        if authorization_id not in ("", username):
            raise SaslDenied(OTHER_AUTHORIZATION_ID)
        return Granted(username)
