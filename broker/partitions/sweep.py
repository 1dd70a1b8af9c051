"""Going through all partitions again and again, a few in each turn of the loop.

Ten thousand partitions take tens of milliseconds to look at, and longer when there is something to
do for each; nobody else is to wait for that. Used by retention.py and producer_expiry.py.
Tests: tests/unit/broker/partitions/test_retention.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .partition import Partition


class Sweep:
    """A round through all partitions in every interval.

    Args:
        partitions: gives those that are there when a round begins.
        first_at_ms: when the first round begins, on the monotonic clock.
        interval_ms: from the beginning of one round to that of the next.
    """

    def __init__(
        self, partitions: Callable[[], Iterable[Partition]], first_at_ms: int, interval_ms: int
    ) -> None:
        self.next_deadline_ms = first_at_ms
        self._partitions = partitions
        self._interval_ms = interval_ms
        self._left: list[Partition] = []
        self._is_round = False

    def take(self, now_ms: int, count_max: int) -> list[Partition]:
        """The partitions to look at now, at most so many; call again, in the next turn.

        While a round is under way `next_deadline_ms` has passed.
        """
        if now_ms < self.next_deadline_ms:
            return []
        if not self._is_round:
            self._is_round = True
            self._left = [*self._partitions()]
        taken = self._left[: -count_max - 1 : -1]
        del self._left[-count_max:]
        if not self._left:
            self._is_round = False
            self.next_deadline_ms = now_ms + self._interval_ms
        return taken
