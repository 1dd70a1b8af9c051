"""Producer ids: each is given out once, whatever has happened to the data directory.

A start draws at random where its ids begin, and counts up from there. Nothing is written down, for
what is written down can be lost, while clients that outlive it cannot: 1. a backup is made
2. producer A gets the next id  3. the backup is put back, and the count with it  4. producer B
gets the id of A, and its first record is "recognised" as a retry of A's: acknowledged, not stored.
Ids found in a partition at the start are never given out either, whoever has written with them.
Why at random, and how likely two starts meet: docs/decisions/0010.
Source: RPCProducerIdManager, which counts; KIP-98.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from ..limits import OTHER_BYTES_TOLD_MAX
from ..log_lines import Event, Line

STEP: Final = 1000  # so that the ids of one start read alike
STARTS: Final = range(2**20, 2**31)
"""Where a start may begin, in steps: above all ids that minibroker 0.1.0 gave out, which counted
from 0, and far below 2**53, where some clients' numbers end."""


RUN: Final = 2**20
"""So many ids are given out before another place is drawn."""


class ProducerIds:
    """Hands out producer ids.

    Args:
        known: gives every id that stands in some partition's sequence table.
    """

    def __init__(self, random: Random, known: Callable[[], Iterable[int]]) -> None:
        self._random = random
        self._known = known
        self._next, self._end = self._draw()

    def take(self) -> int:
        """An id nobody has had."""
        if self._next == self._end:
            self._next, self._end = self._draw()
        producer_id = self._next
        self._next += 1
        return producer_id

    def _draw(self) -> tuple[int, int]:
        # All that are known are looked through here, once, and not for each id: a request of
        # thirty bytes must not cost a look into ten thousand partitions.
        while True:
            first = self._random.choice(STARTS) * STEP
            ids = range(first, first + RUN)
            if not any(each in ids for each in self._known()):
                return first, first + RUN


class SharedIds:
    """Tells the operator, once an id, that two producers seem to write with the same one.

    Args:
        warn: takes one line.
    """

    def __init__(self, warn: Callable[[Line], None]) -> None:
        self._warn = warn
        self._told: set[int] = set()

    def suspect(self, producer_id: int, partition: str) -> None:
        """A batch came whose numbers are those of a stored one, and whose bytes are not."""
        if producer_id in self._told:
            return
        if len(self._told) >= OTHER_BYTES_TOLD_MAX:
            self._told.clear()
        self._told.add(producer_id)
        self._warn(
            Event(
                "same-numbers-other-bytes",
                producer_id=producer_id,
                partition=partition,
                meaning="answered as a retry and not stored; if this was no retry that its client "
                "encoded anew, two producers write with this id: restart them",
            )
        )
