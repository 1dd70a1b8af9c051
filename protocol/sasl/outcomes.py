"""What a server's half of a mechanism says to a client's token: go on, granted, or refused.

Kafka tells some refusals in words of their own and all others in one sentence per mechanism; so
there are two exceptions. Neither text holds a secret: both may be logged.
Tests: tests/unit/protocol/sasl/test_scram_server.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

OTHER_AUTHORIZATION_ID = (
    "Authentication failed: Client requested an authorization id that is different from username"
)


class SaslRefused(Exception):
    """The exchange has failed; the text is for the server's log, the client hears one sentence."""


class SaslDenied(SaslRefused):
    """The exchange has failed, and the text is told to the client."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The exchange goes on: the server's token, to be answered by one more of the client."""

    token: bytes


@dataclass(frozen=True, slots=True)
class Granted:
    """The client is who it says.

    Attributes:
        username: its name, never empty; Kafka's principal is `User:` and this.
        token: the server's last one.
        expires_at_ms: when its credential does, in ms since 1970; None for never.
    """

    username: str
    token: bytes = b""
    expires_at_ms: int | None = None


class ServerExchange(Protocol):
    """The server's half of one login."""

    def step(self, token: bytes) -> Challenge | Granted:
        """Answer the client's token.

        Raises:
            SaslRefused, SaslDenied: the login has failed, and this exchange with it.
        """
