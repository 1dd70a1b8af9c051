"""Instants in the life of a durable session at which a test may end the process.

Nothing is armed unless somebody calls arm(): then each passing calls one function that does
nothing, once a cut or a request and never once a record.
Tests: tests/unit/client/session/test_instants.py
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Instant(StrEnum):
    """Where a session stands."""

    WRITTEN = "journal.written"  # a group is in the journal's file, and not flushed
    FLUSHED = "journal.flushed"
    SENT = "request.sent"
    ANSWERED = "answer.received"  # and nothing has been made of it yet
    CONFIRMED = "confirmation.written"
    SETTLING = "settling"


def _pass_by(instant: Instant) -> None:
    """Nobody is interested."""


class _Armed:
    call: Callable[[Instant], object] = staticmethod(_pass_by)


def arm(call: Callable[[Instant], object] | None) -> None:
    """Have `call` called at every instant from now on, in this process; None ends that."""
    _Armed.call = staticmethod(_pass_by if call is None else call)


def at(instant: Instant) -> None:
    """Pass an instant."""
    _Armed.call(instant)
