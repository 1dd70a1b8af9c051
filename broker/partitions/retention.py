"""What is old enough to go: by time, by size, by DeleteRecords; decided here, done in small steps.

cut_due() decides for one log. Retention goes through all partitions and carries it out:
1. the log start moves up, in memory and in the metadata log: readers are refused below it
2. once that is durable, with a snapshot of the producers: up to where segments may go is written
3. once that is durable too, the files go, oldest first, a few megabytes a turn
After a crash in 3 the next start finishes it (log/removal.py), after one before that a later check.
A log that goes altogether goes on in a new, empty segment. Compacted topics keep everything.
Source: UnifiedLog.deleteOldSegments, LogManager.cleanupLogs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from ..config.topic import TopicConfig
from ..limits import LOOKS_A_TURN, REMOVED_A_TURN_BYTES
from ..log.log import Log
from ..log.segment import Segment
from ..log_lines import Event
from ..storage.port import StorageError
from ..waiting.hooks import Hooks
from ..waiting.isolation import each_alone
from ..waiting.promise import Promise, then
from ..world import Clock
from .partition import Partition
from .sweep import Sweep

T = TypeVar("T")


class Cut(NamedTuple):
    """What may go of a log: everything below `log_start_offset`."""

    log_start_offset: int
    segment_count: int
    count_bytes: int
    reason: str


def cut_due(log: Log, high_watermark: int, config: TopicConfig, now_ms: int) -> Cut | None:
    """What retention lets go of a log now; None for nothing.

    Whole segments from the oldest on, never beyond the high watermark: by size as long as
    retention.bytes remain, by time as long as the newest record of a segment is older than
    retention.ms. An active segment that holds something may go too.

    Args:
        now_ms: the broker's time, ms since 1970.
    """
    if not config.deletes:
        return None
    left = _segments_left(log)
    at, over, reason = 0, -1, "retention.bytes"
    if config.retention_bytes >= 0:
        over = sum(each.size for each in left) - config.retention_bytes
    while at < len(left) and left[at].next_offset <= high_watermark and over >= left[at].size:
        over -= left[at].size
        at += 1
    if config.retention_ms >= 0:
        at_by_size = at
        while at < len(left) and left[at].next_offset <= high_watermark:
            if now_ms - left[at].newest_at_ms(now_ms) <= config.retention_ms:
                break
            at += 1
        if at > at_by_size:
            reason = "retention.ms"
    if not at:
        return None
    gone = left[:at]
    return Cut(gone[-1].next_offset, at, sum(each.size for each in gone), reason)


def _segments_left(log: Log) -> list[Segment]:
    """Those that are not on their way out already; the active one if it holds something."""
    return [
        each
        for each in log.segments
        if each.size and (each.next_offset > log.log_start_offset or each is log.segments[-1])
    ]


class Ground(Protocol):
    """What retention stands on: what it decides is on record, and waits there for the flush."""

    def move(self, log_starts: Mapping[Partition, int]) -> None:
        """Let log starts move up, in memory and on record; StorageError: none has."""

    def note_removals(self, offsets: Mapping[Partition, int]) -> None:
        """Write up to where segments go. May raise StorageError."""

    def when_durable(self, partitions: Sequence[Partition]) -> bool | Promise:
        """Whether all that was written is durable, with the logs of these: True, or a promise.

        1. a log begins a new segment  2. its old ones are removed  3. power lost: the new one was
        never flushed, and a log whose old segments are half gone looks damaged.
        """

    def pay(self, act: Callable[[], T]) -> T:
        """Do something that makes room, on a full disk, too."""


class Retention:
    """Applies cut_due() to every partition in turn, and removes files. Implements deadlines.Timed.

    Args:
        partitions: all that are open.
        first_ms, interval_ms: log.initial.task.delay.ms, log.retention.check.interval.ms.
    """

    def __init__(
        self,
        clock: Clock,
        partitions: Callable[[], Iterable[Partition]],
        ground: Ground,
        hooks: Hooks,
        *,
        first_ms: int,
        interval_ms: int,
    ) -> None:
        self._clock = clock
        self._ground = ground
        self._hooks = hooks
        self._sweep = Sweep(partitions, clock.monotonic_ms() + first_ms, interval_ms)
        self._to_note: deque[Partition] = deque()
        self._removing: deque[tuple[Partition, int]] = deque()

    def begin_at(self, log_starts: Mapping[Partition, int]) -> None:
        """Move log starts up, and remove what lies below once that is durable.

        Raises:
            StorageError: none has moved.
        """
        self._ground.move(log_starts)
        self._remove_later([each for each in log_starts if each.log.has_removable])

    def next_deadline_ms(self) -> int:
        """When `on_deadline` is due next."""
        return 0 if self._removing or self._to_note else self._sweep.next_deadline_ms

    def on_deadline(self, now_ms: int) -> None:
        """Look at some partitions, and remove a bounded number of bytes."""
        if self._removing:
            self._remove_some()
        if self._to_note:
            self._note_some()
        taken = self._sweep.take(now_ms, LOOKS_A_TURN)
        self._remove_later([each for each in taken if each.log.has_removable])
        cuts: dict[Partition, Cut] = {}

        def look(partition: Partition) -> None:
            cut = self._cut(partition)
            if cut is not None:
                cuts[partition] = cut

        each_alone(taken, look, "looking for what retention lets go")
        if not cuts:
            return
        try:
            self.begin_at({partition: cut.log_start_offset for partition, cut in cuts.items()})
        except StorageError as error:
            self._put_off(error)
            return
        for partition, cut in cuts.items():
            self._hooks.tell(
                Event(
                    "retention",
                    partition=f"{partition.topic}-{partition.index}",
                    reason=cut.reason,
                    segments=cut.segment_count,
                    bytes=cut.count_bytes,
                    log_start_offset=cut.log_start_offset,
                )
            )

    def _cut(self, partition: Partition) -> Cut | None:
        log = partition.log
        cut = cut_due(log, partition.high_watermark, partition.config, self._clock.now_ms())
        if cut is not None and cut.log_start_offset == log.log_end_offset:
            try:
                self._ground.pay(log.roll)
            except StorageError as error:
                self._put_off(error)
                return None
        return cut

    def _remove_later(self, partitions: Sequence[Partition]) -> None:
        def go_on(is_durable: bool) -> None:
            if is_durable:
                self._to_note.extend(partitions)
                self._hooks.deadline_moved()

        if partitions:
            then(self._ground.when_durable(partitions), go_on)

    def _note_some(self) -> None:
        offsets: dict[Partition, int] = {}
        count = min(LOOKS_A_TURN, len(self._to_note))
        partitions = [self._to_note.popleft() for _ in range(count)]

        def look(partition: Partition) -> None:
            try:
                offset = self._ground.pay(partition.removable_offset)
            except StorageError as error:
                self._put_off(error)
            else:
                if offset:
                    offsets[partition] = offset

        each_alone(partitions, look, "looking for what may be removed")

        def go_on(is_durable: bool) -> None:
            if is_durable:
                self._removing.extend(offsets.items())
                self._hooks.deadline_moved()

        if offsets:
            try:
                self._ground.note_removals(offsets)
            except StorageError as error:
                self._put_off(error)
            else:
                then(self._ground.when_durable(()), go_on)

    def _remove_some(self) -> None:
        partition, offset = self._removing.popleft()  # first: one that raises is not tried for ever
        try:
            if partition.log.remove_before(offset, REMOVED_A_TURN_BYTES):
                self._removing.appendleft((partition, offset))
        except StorageError as error:
            self._put_off(error)

    def _put_off(self, error: StorageError) -> None:
        self._hooks.warn(Event("retention-put-off", why=error))
