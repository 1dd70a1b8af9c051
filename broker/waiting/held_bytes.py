"""How much memory all connections together hold, and what there is room for.

Counted is what came in and is not answered yet, what is answered and not taken yet, and the
buffers for what comes next. Where it gets short, whoever owes waits, and nobody else:
1. answers to fetches get shorter, down to one batch each   2. a connection that has more open than
SHORT_OPEN_BYTES begins nothing new   3. when all is used up, the one that holds most is closed.
Who is counted, held back and closed is for connections/server.py.
Tests: tests/system/neighbours/test_held_bytes.py
"""

from __future__ import annotations

from ..limits import DOUBLING_BYTES, ROOM_SHARE


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
