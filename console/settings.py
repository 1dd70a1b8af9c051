"""What a console is told once, at its start. Pure.

Tests: tests/system/console/test_guard.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ..client.door.security_options import SecurityArguments

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Right(StrEnum):
    """What may be done besides reading; each is given apart, with --allow."""

    CHANGES = "changes"  # of the watched cluster: produce, reset offsets, abort transactions
    FAULTS = "faults"  # arm and release faults of a broker that has them


@dataclass(frozen=True, slots=True)
class Settings:
    """What a console shows, to whom, and what may be done with it.

    Attributes:
        servers: HOST:PORT of brokers, tried in turn.
        arguments: of our clients, without the user where everybody logs in.
        logs_in: whether everybody who comes logs in as a user of the cluster; else all are who
            `arguments` say.
        rights: what may be done besides reading.
        host: where it listens.
        names: more names that a Host header may carry.
    """

    servers: Sequence[str]
    arguments: SecurityArguments = field(default_factory=SecurityArguments)
    logs_in: bool = False
    rights: frozenset[Right] = frozenset()
    host: str = "127.0.0.1"
    names: frozenset[str] = frozenset()

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return self.host in LOOPBACK

    @property
    def title(self) -> str:
        """What is watched, in a word."""
        return self.servers[0] + (f" +{len(self.servers) - 1}" if len(self.servers) > 1 else "")

    def arguments_of(self, user: str, password: str) -> SecurityArguments:
        """Those of somebody who has logged in."""
        return {
            **self.arguments,
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }
