"""How much memory all connections together hold, and what there is room for.

Counted is what came in and is not answered yet, what is answered and not taken yet, and the
buffers for what comes next. Where it gets short, whoever owes waits, and nobody else:
1. answers to fetches get shorter, down to one batch each   2. a connection that has more open than
SHORT_OPEN_BYTES begins nothing new   3. when all is used up, the one that holds most is closed,
where what somebody is about to take counts for little.
Who is counted, held back and closed is for connections/server.py.
Tests: tests/system/neighbours/test_held_bytes.py
"""

from __future__ import annotations

from ..limits import DOUBLING_BYTES, HELD_BACK_LOOK_MS, ROOM_SHARE, TAKEN_WITHIN_MS, TAKING_SHARE


class HeldBytes:
    """What connections hold, in bytes.

    Args:
        bytes_max: queued.max.request.bytes.

    Attributes:
        total: what all of them hold.
        is_short: it is more than half of what they may.
        is_full: it is more than they may, but for what one more buffer takes that is doubled:
            while its bytes move, the old and the new one are both there.
    """

    __slots__ = ("_doubling_bytes", "bytes_max", "is_full", "is_short", "total")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._doubling_bytes = min(DOUBLING_BYTES, bytes_max // 8)
        self.total = 0
        self.is_short = self.is_full = False

    def change(self, change_bytes: int) -> None:
        """So many bytes more are held, or fewer."""
        self.total += change_bytes
        self.is_short = self.total > self.bytes_max // 2
        self.is_full = self.total > self.bytes_max - self._doubling_bytes

    @property
    def answer_bytes_max(self) -> int:
        """How many bytes of records one more answer may have; 0 when nothing is free for them.

        A part of what is free, so that those who come next find room, too; and of all there is a
        quarter is kept for everything else.
        """
        return max(self.bytes_max * 3 // 4 - self.total, 0) // ROOM_SHARE


class Taking:
    """How quickly a client takes its answers, between the looks at all while memory is short."""

    __slots__ = ("_bytes_a_ms", "_looked_at_ms", "_taken_bytes")

    def __init__(self) -> None:
        self._bytes_a_ms = 0.0
        self._looked_at_ms = 0.0
        self._taken_bytes = 0

    def look(self, taken_bytes: int, now_ms: float) -> None:
        """A look at it.

        Args:
            taken_bytes: of all answers so far.
            now_ms: on the monotonic clock. A look too soon after the last one says nothing.
        """
        passed_ms = now_ms - self._looked_at_ms
        if passed_ms >= HELD_BACK_LOOK_MS:
            self._bytes_a_ms = (taken_bytes - self._taken_bytes) / passed_ms
            self._taken_bytes, self._looked_at_ms = taken_bytes, now_ms

    def counted(self, held_bytes: int) -> int:
        """For how much what a connection holds counts, when one is to be closed.

        1. ten clients do not read, and each is owed two batches of 900 kB   2. one of them reads,
        and is owed the next as soon as it has taken one: it holds most   3. closed for that, the
        one would have lost its connection that gives memory back.
        Who takes so little that it will not be done soon holds what it holds.
        """
        is_taken_soon = self._bytes_a_ms * TAKEN_WITHIN_MS >= held_bytes
        return held_bytes // TAKING_SHARE if is_taken_soon else held_bytes
