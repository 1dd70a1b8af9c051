"""What waits for a time: a deadline is one more input of a core, and the edge arms one timer.

Broker puts every Timed it owns into its Deadlines; runtime.py arms its timer for the first of them.
Whoever gets an earlier deadline than before says so through `Hooks.deadline_moved`.
All instants here are of the monotonic clock, in ms.
Tests: tests/unit/broker/waiting/test_isolation.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..limits import REST_AFTER_FAILURE_MS
from .isolation import each_alone


class Timed(Protocol):
    """A core that does something when a time has come."""

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next; None for never."""

    def on_deadline(self, now_ms: int) -> None:
        """Do everything that is due at `now_ms`. Called too early, it does nothing."""


class Deadlines:
    """Everything in a broker that waits for a time; none of it keeps the others from theirs.

    1. a core raises whenever its time has come   2. its time is still past, so the timer fires
    again at once   3. the loop does nothing else. So whoever raised has to rest a while.
    """

    def __init__(self, *timed: Timed) -> None:
        self._all: list[Timed] = [*timed]
        self._rests_until_ms: dict[Timed, int] = {}

    def add(self, *timed: Timed) -> None:
        """From now on these are asked, too."""
        self._all += timed

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next; None for never."""
        return min(self._deadlines(), default=None)

    def on_deadline(self, now_ms: int) -> None:
        """Let everybody do what is due at `now_ms`.

        Raises:
            FlushFailed, AssertionError: what ends the broker, once all others are done.
        """

        def let(timed: Timed) -> None:
            if now_ms < self._rests_until_ms.get(timed, now_ms):
                return
            self._rests_until_ms[timed] = now_ms + REST_AFTER_FAILURE_MS
            timed.on_deadline(now_ms)
            del self._rests_until_ms[timed]

        each_alone(self._all, let, "what waits for a time")

    def _deadlines(self) -> Iterator[int]:
        for each in self._all:
            at_ms = each.next_deadline_ms()
            if at_ms is not None:
                yield max(at_ms, self._rests_until_ms.get(each, at_ms))
