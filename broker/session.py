"""What a handler may know of the connection a request came by.

Tests: tests/system/answers/test_server.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .config.listeners import Listener

ANONYMOUS = "User:ANONYMOUS"
"""Whoever has not said who he is. Source: KafkaPrincipal.ANONYMOUS."""


def principal_of(user: str | None) -> str:
    """The principal of a user's name; that of nobody in particular for None."""
    return ANONYMOUS if user is None else f"User:{user}"


@dataclass(frozen=True, slots=True)
class Session:
    """One client's connection.

    Args:
        peer: HOST:PORT of the client, for log lines.
        listener: the name of the listener it came by.
        host, port: where this client is told to find the broker.
        principal: who it is, as Kafka writes it: User:alice.
        notes: what is looked up for one request, and need not be for the next.
    """

    peer: str
    listener: str
    host: str
    port: int
    principal: str = ANONYMOUS
    notes: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def between(
        cls,
        peer: tuple[str, int] | None,
        here: tuple[str, int],
        listener: Listener,
        bound_port: int,
        principal: str = ANONYMOUS,
    ) -> Session:
        """For a connection accepted at `listener`.

        Args:
            peer, here: the addresses of both ends; that of the peer may be gone already.
            bound_port: what the listener is bound to.
        """
        return cls(
            peer=f"{peer[0]}:{peer[1]}" if peer else "unknown",
            listener=listener.name,
            host=listener.advertised_host or here[0],
            port=listener.advertised_port or bound_port,
            principal=principal,
        )

    @property
    def client_address(self) -> str:
        """The client's address alone: 127.0.0.1."""
        return self.peer.rpartition(":")[0]

    @property
    def client_host(self) -> str:
        """The client's address, as Kafka writes it: /127.0.0.1."""
        return "/" + self.client_address


class CloseConnection(Exception):
    """The protocol has no answer for this: close the connection; the text says why."""
