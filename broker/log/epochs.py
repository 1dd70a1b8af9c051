"""The leader epochs of one log: where each began. Folded from its batches, kept in memory only.

A consumer that saw epoch 4 up to offset 90 asks where epoch 4 ended; less than 90 means that the
broker has lost what that consumer read. Source: LeaderEpochFileCache.java, KIP-101.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

NO_EPOCH: Final = -1
NO_OFFSET: Final = -1


class LeaderEpochs:
    """Pairs (epoch, start offset), both rising."""

    __slots__ = ("_epochs", "_starts", "latest")

    def __init__(self) -> None:
        self._epochs = array("i")
        self._starts = array("q")
        self.latest = NO_EPOCH

    @property
    def earliest(self) -> int:
        """The oldest known epoch, that of the log start; -1 without one."""
        return self._epochs[0] if self._epochs else NO_EPOCH

    def begin(self, epoch: int, start_offset: int) -> None:
        """Note the first batch of a new epoch, which is higher than all before it."""
        assert epoch > self.latest, f"leader epoch {epoch} after {self.latest}"
        self._epochs.append(epoch)
        self._starts.append(start_offset)
        self.latest = epoch

    def within(self, start_offset: int, end_offset: int) -> tuple[tuple[int, int], ...]:
        """Return (epoch, start offset) of each that held between two offsets, end exclusive.

        The first may have begun before: it is given as if it began at `start_offset`.
        """
        first = max(bisect_right(self._starts, start_offset) - 1, 0)
        end = bisect_left(self._starts, end_offset)
        pairs = zip(self._epochs[first:end], self._starts[first:end], strict=True)
        return tuple((epoch, max(start, start_offset)) for epoch, start in pairs)

    def extend(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Take in what within() gave for the offsets that come next."""
        for epoch, start_offset in pairs:
            if epoch > self.latest:
                self.begin(epoch, start_offset)

    def drop_before(self, offset: int) -> None:
        """Forget epochs that ended at or before `offset`, the new log start."""
        gone = bisect_right(self._starts, offset) - 1
        if gone >= 0:
            del self._epochs[:gone]
            del self._starts[:gone]
            self._starts[0] = offset

    def end_of(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """Answer OffsetForLeaderEpoch: the largest known epoch ≤ `epoch`, and where it ended.

        Returns: (epoch, end offset, exclusive); (-1, -1) for an epoch not reached yet; for one
            older than all known, itself and the start of the first known.
        """
        if epoch == self.latest != NO_EPOCH:
            return epoch, log_end_offset
        at = bisect_right(self._epochs, epoch)
        if at == len(self._epochs):
            return NO_EPOCH, NO_OFFSET
        return self._epochs[at - 1] if at else epoch, self._starts[at]
