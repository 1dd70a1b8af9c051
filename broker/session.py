"""What a handler may know of the connection a request came by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """One client's connection.

    Args:
        peer: HOST:PORT of the client, for log lines.
        listener: the name of the listener it came by.
        host, port: where this client is told to find the broker.
    """

    peer: str
    listener: str
    host: str
    port: int

    @property
    def client_host(self) -> str:
        """The client's address, as Kafka writes it: /127.0.0.1."""
        return "/" + self.peer.rpartition(":")[0]


class CloseConnection(Exception):
    """The protocol has no answer for this: close the connection; the text says why."""
