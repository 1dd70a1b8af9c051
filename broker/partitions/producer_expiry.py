"""Forgetting producer ids that have not written for producer.id.expiration.ms.

By the monotonic time at which the broker received their newest batch: neither what a producer
writes into its records nor a clock that is set may decide how long its retries are recognised.
Time in which no broker ran does not count: a producer could not write then.
Source: ProducerStateManager. Read next: sequences.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..limits import FORGOTTEN_A_TURN, LOOKS_A_TURN, PRODUCERS_MAX
from ..log_lines import Event, Line
from ..waiting.isolation import each_alone
from ..world import Clock
from .partition import Partition
from .sweep import Sweep

SHORT_MS = 600_000  # well above what clients try for: delivery.timeout.ms is two minutes


class ProducerExpiry:
    """Looks through the sequence tables of all partitions. Implements deadlines.Timed.

    Args:
        partitions: all that are open.
        expiration_ms: gives producer.id.expiration.ms, which may change.
        interval_ms: producer.id.expiration.check.interval.ms.
        warn: takes one line for the operator.
    """

    def __init__(
        self,
        clock: Clock,
        partitions: Callable[[], Iterable[Partition]],
        *,
        expiration_ms: Callable[[], int],
        interval_ms: int,
        warn: Callable[[Line], None],
    ) -> None:
        self._clock = clock
        self._expiration_ms = expiration_ms
        self._warn = warn
        self._sweep = Sweep(partitions, clock.monotonic_ms() + interval_ms, interval_ms)
        self._unfinished: list[Partition] = []  # tables with more to forget than fits into a turn
        self._warned_of_ms = 0
        self.warn_if_short()

    def warn_if_short(self) -> None:
        """Tell the operator, once a value, that late retries will not be recognised."""
        expiration_ms = self._expiration_ms()
        if expiration_ms < SHORT_MS and expiration_ms != self._warned_of_ms:
            self._warned_of_ms = expiration_ms
            self._warn(
                f"producer.id.expiration.ms={expiration_ms} is less than {SHORT_MS}: a producer "
                "that goes on trying for longer is forgotten, and its retry stored twice"
            )

    def next_deadline_ms(self) -> int:
        """When `on_deadline` is due next."""
        return 0 if self._unfinished else self._sweep.next_deadline_ms

    def on_deadline(self, now_ms: int) -> None:
        """Forget what is due in some of the partitions."""
        until_ms = now_ms - self._expiration_ms()
        left = FORGOTTEN_A_TURN
        while self._unfinished and left:
            partition = self._unfinished.pop()  # first: one that raises is not looked at for ever
            left -= partition.sequences.forget_idle(until_ms, left)
            if not left:
                self._unfinished.append(partition)
        if not self._unfinished:
            self._unfinished = self._sweep.take(now_ms, LOOKS_A_TURN)
            each_alone(self._unfinished, self._report_evicted, "looking at producer ids")

    def _report_evicted(self, partition: Partition) -> None:
        sequences = partition.sequences
        if sequences.evicted_count:
            self._warn(
                Event(
                    "producer-ids-forgotten",
                    partition=f"{partition.topic}-{partition.index}",
                    count=sequences.evicted_count,
                    max=PRODUCERS_MAX,
                    why="for want of room; a late retry of theirs would be stored twice",
                )
            )
            sequences.evicted_count = 0
