"""A disk that refuses writes, told to the operator: when it begins, while it lasts, when it ends.

1. the disk is full   2. every Produce is answered 56, thousands a second   3. somebody makes room
4. the next append is stored. The log must tell of 1 and 4 and must not be flooded by 2.
Tests: tests/unit/broker/cluster/test_told_changes.py
"""

from __future__ import annotations

from collections.abc import Callable

from ..log_lines import Event, Line, OncePerSecond


class StorageTrouble:
    """What is known of refused writes.

    Args:
        say: takes one line for the operator.
        on_begin: called at the first that is refused.

    Attributes:
        is_on: a write has been refused, and none was stored since.
    """

    __slots__ = ("_began_at_ms", "_count", "_limit", "_on_begin", "_say", "is_on")

    def __init__(
        self, say: Callable[[Line], None], on_begin: Callable[[], None] = lambda: None
    ) -> None:
        self._say = say
        self._on_begin = on_begin
        self._limit = OncePerSecond()
        self.is_on = False
        self._began_at_ms = 0
        self._count = 0

    def refused(self, where: str, why: str, now_ms: int) -> None:
        """A write was refused.

        Args:
            where: what was to be written: a partition, or an API.
            now_ms: on the monotonic clock.
        """
        if not self.is_on:
            self.is_on, self._began_at_ms, self._count = True, now_ms, 0
            self._on_begin()
        self._count += 1
        left_out = self._limit.left_out(where, now_ms)
        if left_out is not None:
            self._say(Event("storage-refuses", what=where, why=why, left_out=left_out or None))

    def written(self, now_ms: int) -> None:
        """A write was stored."""
        if self.is_on:
            self.is_on = False
            lasted_ms = now_ms - self._began_at_ms
            self._say(Event("storage-writes-again", refused=self._count, lasted_ms=lasted_ms))
