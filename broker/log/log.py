"""One partition's log: its segments, oldest first, and the offset that comes next.

Here: append and roll, which segment a read goes to, what is still to be flushed, the directory.
Not here: bytes within a segment (segment.py), the restart (recovery.py), when to flush and what
readers may see (the partition). Rules:
- Nothing is on disk before the first append: an empty log has no directory and no open file.
- An append changes everything or nothing. Batches are stamped (base offset, leader epoch) by
  writing 16 fresh bytes in front of the rest as it came.
- One owner, the loop. Only File.flush() of what dirty_files() hands over runs elsewhere.
Read next: segment.py, recovery.py, storage/port.py.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from ...protocol.batch.header import LENGTH_END, BatchHeader
from ..storage.port import Buffer, File, Storage, StorageError
from .aborted_index import AbortedTransaction
from .aborted_lookup import aborted_in, told_to_readers
from .by_time import Search, first_since, newest
from .checkpoints import Stopped, log_key
from .epochs import LeaderEpochs
from .folding import Fold, no_control
from .identity import METADATA_NAME, metadata_text, refuse_what_stands
from .opening import open_directory
from .recovery import NOTHING_KNOWN, Known, RecoveryReport
from .removal import finish_removal
from .segment import (
    POSITION_MAX,
    RELATIVE_OFFSET_MAX,
    Segment,
)
from .snapshots import Producers, Snapshots


@dataclass(frozen=True, slots=True)
class LogConfig:
    """When segments end and how dense their indexes are; names and defaults are Kafka's."""

    segment_bytes: int = 1024 * 1024 * 1024
    segment_ms: int = 7 * 24 * 60 * 60 * 1000
    segment_index_bytes: int = 10 * 1024 * 1024
    index_interval_bytes: int = 4096

    def __post_init__(self) -> None:
        assert self.segment_bytes <= POSITION_MAX, f"segment.bytes {self.segment_bytes}"


class Log:
    """The batches of one partition, from `log_start_offset` up to `log_end_offset` (exclusive).

    Open it with Log.open(). `config` may be replaced at any time. `recovery` tells what open() had
    to cut, or is None; `notes` what else it removed, a line each. `has_rolled` tells that a segment
    was finished since dirty_files() was asked last.
    """

    __slots__ = (
        "_active",
        "_before_directory",
        "_dirty",
        "_dirty_segment",
        "_epochs",
        "_has_aborted",
        "_has_directory",
        "_is_new",
        "_leaving",
        "_producers",
        "_segments",
        "_snapshots",
        "_topic_id",
        "config",
        "directory",
        "has_rolled",
        "key",
        "log_end_offset",
        "log_start_offset",
        "notes",
        "recovery",
        "storage",
    )

    def __init__(
        self, storage: Storage, directory: str, config: LogConfig, topic_id: bytes | None
    ) -> None:
        self.storage = storage
        self.directory = directory
        self.key = log_key(directory, topic_id)
        self.has_rolled = False
        self.config = config
        self.log_start_offset = 0
        self.log_end_offset = 0
        self.recovery: RecoveryReport | None = None
        self._topic_id = topic_id
        self._before_directory: Callable[[], None] = lambda: None
        self._has_directory = False  # what stands there under its name is its own
        self._segments: list[Segment] = []
        self._has_aborted = False  # most logs never have: their readers are told at once
        self._is_new = False  # the names of its first files may not be durable yet
        self._leaving: Segment | None = None  # below the log start, its files half removed
        self._active: Segment | None = None
        self._epochs = LeaderEpochs()
        self._dirty: list[File] = []
        self._dirty_segment: Segment | None = None  # the active one, once it is in _dirty
        self._producers: Producers | None = None
        self._snapshots = Snapshots(storage, directory, ())
        self.notes: list[str] = []

    @classmethod
    def open(
        cls,
        storage: Storage,
        directory: str,
        config: LogConfig,
        on_batch: Callable[[BatchHeader], None],
        topic_id: bytes | None = None,
        *,
        on_control: Callable[[BatchHeader, Buffer], AbortedTransaction | None] = no_control,
        before_directory: Callable[[], None] = lambda: None,
        producers: Producers | None = None,
        known: Known = NOTHING_KNOWN,
    ) -> Log:
        """Recover a log from its directory, or begin an empty one if there is none.

        Args:
            directory: its name in the data directory, `<topic>-<partition>`.
            on_batch, on_control: called in order for every batch of data, or control batch, that is
                there and not in a snapshot; see folding.py.
            topic_id: 16 bytes, written to `partition.metadata` when the directory is made.
            before_directory: called before the directory is made; makes its topic durable.
            producers: what these fold into; it gets snapshots and is restored from them.
        Raises:
            DamagedLog: bytes before the tail are damaged; nothing was changed.
            StorageError: the disk could not be read.
        """
        log = cls(storage, directory, config, topic_id)
        finish_removal(storage, directory, known.removed_offset)
        opened = open_directory(
            storage,
            directory,
            config.index_interval_bytes,
            Fold(on_batch, on_control),
            producers=producers,
            known=known,
        )
        log._before_directory = before_directory
        log._has_directory = not known.is_new
        log._producers = producers
        log._snapshots = opened.snapshots
        log._epochs = opened.epochs
        log._segments = opened.segments
        log.recovery = opened.report
        log.notes = opened.notes
        log._has_aborted = any(each.aborted for each in opened.segments)
        if opened.segments:
            log._active = opened.segments[-1]
            log.log_start_offset = opened.segments[0].base_offset
            log.log_end_offset = log._active.next_offset
            if topic_id is not None and METADATA_NAME not in opened.names:
                log._write_metadata(topic_id)
        log._begin_at(known.log_start_offset)
        return log

    def _begin_at(self, offset: int) -> None:
        """Move the log start up to where deleted records put it."""
        if offset > self.log_end_offset:
            # Only a power loss without flushes leaves this. What was deleted must not come back.
            self.notes.append(
                f"{self.directory}: ends at offset {self.log_end_offset}, but all before {offset} "
                "has been deleted; begins empty there"
            )
            for segment in self._segments:
                segment.remove()
            self.storage.sync_all()  # lest one of them comes back in front of what follows
            self._segments, self._active = [], None
            self.log_end_offset = offset
            self._epochs = LeaderEpochs()
        self.raise_start(max(self.log_start_offset, offset))

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments that can be read, oldest first, the active one last; none if it is new."""
        return self._segments

    @property
    def size_bytes(self) -> int:
        """Bytes of all batches."""
        return sum(segment.size for segment in self._segments)

    @property
    def latest_epoch(self) -> int:
        """The leader epoch of the newest batch; -1 without one."""
        return self._epochs.latest

    @property
    def earliest_epoch(self) -> int:
        """The leader epoch of the oldest batch; -1 without one."""
        return self._epochs.earliest

    def append(self, header: BatchHeader, batch: Buffer, leader_epoch: int, now_ms: int) -> int:
        """Write one batch at the end of the log, in a new segment if one is due.

        Args:
            header: of `batch`, checked by the caller; base offset and leader epoch do not matter.
            batch: the whole batch; it is not changed.
            leader_epoch: to be stamped; not lower than `latest_epoch`.
        Returns: the base offset given to the batch.
        Raises: StorageError; the log is as it was then.
        """
        segment = self._active
        if segment is None or self._roll_is_due(segment, header, now_ms):
            segment = self._begin_segment()
        base_offset = self.log_end_offset
        epochs = self._epochs
        if leader_epoch < epochs.latest:  # what the disk says: no CRC covers the epochs there
            why = f"its newest batch has leader epoch {epochs.latest}, ours is {leader_epoch}"
            raise StorageError(segment.file.path, why)
        segment.append(header, batch, leader_epoch, self.config.index_interval_bytes)
        self.log_end_offset = segment.next_offset
        if leader_epoch != epochs.latest:
            epochs.begin(leader_epoch, base_offset)
        if segment is not self._dirty_segment:
            self._dirty.append(segment.file)
            self._dirty_segment = segment
        return base_offset

    def _roll_is_due(self, segment: Segment, header: BatchHeader, now_ms: int) -> bool:
        """Kafka's rules, in LogSegment.shouldRoll, but an empty segment always takes a batch."""
        config = self.config
        size = segment.size
        if not size:
            return False
        return (
            size + LENGTH_END + header.batch_length > config.segment_bytes
            or segment.age_ms(header.max_timestamp, now_ms) > config.segment_ms
            or segment.index_bytes > config.segment_index_bytes
            or segment.next_offset + header.last_offset_delta - segment.base_offset
            > RELATIVE_OFFSET_MAX
        )

    def _begin_segment(self) -> Segment:
        if self._active is None:
            self._make_directory()
        else:
            self._active.cut_torn_end()
            if self._is_new:
                # 1. a new log rolls before its first flush  2. power lost: the second segment is
                # there, the first is not  3. the log would begin with the second, as if what the
                # first held had been deleted, and retries of that would be refused.
                self.storage.flush_names(self.directory)
                self._is_new = False
        segment = Segment.create(self.storage, self.directory, self.log_end_offset)
        if self._active is not None:
            self._seal(self._active)
        self._segments.append(segment)
        self._active = segment
        return segment

    def _seal(self, segment: Segment) -> None:
        """Write what spares reading a finished segment; without it, the segment is read."""
        self.has_rolled = True
        self._dirty += segment.save_indexes()
        with contextlib.suppress(StorageError):
            self._dirty.append(segment.save_summary(self._epochs_of(segment)))
        with contextlib.suppress(StorageError):
            self._take_snapshot(segment)

    def _epochs_of(self, segment: Segment) -> tuple[tuple[int, int], ...]:
        return self._epochs.within(segment.base_offset, segment.next_offset)

    def _take_snapshot(self, segment: Segment) -> None:
        if self._producers is not None:
            self._dirty += segment.save_aborted()  # of which the snapshot has the CRC
            file = self._snapshots.take(self._producers, segment)
            if file is not None:
                self._dirty.append(file)

    def _make_directory(self) -> None:
        # 1. topic created, not flushed  2. somebody who knows its name produces  3. power lost: the
        # directory is there, its topic is not, and a start cannot tell whose it is.
        self._before_directory()
        refuse_what_stands(self.storage, self.directory, self._topic_id)
        self._has_directory = True
        self.storage.make_dirs(self.directory)
        self._is_new = True
        if self._topic_id is not None:
            self._write_metadata(self._topic_id)

    def _write_metadata(self, topic_id: bytes) -> None:
        file = self.storage.create_file(f"{self.directory}/{METADATA_NAME}")
        file.append([metadata_text(topic_id)])
        file.close()
        self._dirty.append(file)  # durable with the first batch: it tells whose batch that is

    def roll(self) -> None:
        """Begin a new segment, unless the active one is empty. Raises StorageError."""
        if self._active is not None and self._active.size:
            self._dirty_segment = self._begin_segment()
            self._dirty.append(self._dirty_segment.file)  # its name

    def read(self, offset: int, end_offset: int, max_bytes: int) -> bytes:
        """Return whole batches as they are stored, from the one that contains `offset` on.

        Args:
            offset: log_start_offset … log_end_offset; the caller has refused others.
            end_offset: what readers may see ends here (exclusive): batches beyond are left out.
            max_bytes: at most so many, but at least one batch, whatever its size.
        Returns: batches of one segment only; b"" if `offset` is `end_offset` or more.
        Raises: StorageError.
        """
        assert self.log_start_offset <= offset <= self.log_end_offset, f"offset {offset}"
        if offset >= end_offset:
            return b""
        return self._segment_of(offset).read(offset, end_offset, max_bytes)

    def _segment_of(self, offset: int) -> Segment:
        segments = self._segments
        if offset >= segments[-1].base_offset:
            return segments[-1]
        return segments[bisect_right(segments, offset, key=attrgetter("base_offset")) - 1]

    def bytes_from(self, offset: int) -> int:
        """Bytes of the batches from the one that contains `offset` on. Raises StorageError."""
        if offset >= self.log_end_offset:
            return 0
        segment = self._segment_of(offset)
        later = (each.size for each in self._segments if each.base_offset > segment.base_offset)
        return segment.bytes_from(offset) + sum(later)

    def note_aborted(self, entry: AbortedTransaction) -> None:
        """Note what the marker that was appended last has aborted."""
        assert self._active is not None
        self._active.aborted.add(entry)
        self._has_aborted = True

    def aborted(self, offset: int, end_offset: int) -> list[AbortedTransaction]:
        """Transactions aborted at `offset` or behind it that began before `end_offset`."""
        if not self._has_aborted:
            return []
        return aborted_in(self._segments_from(offset), offset, end_offset)

    def told_aborted(self, offset: int, count_bytes: int) -> list[AbortedTransaction]:
        """What a reader of commits is told who gets so many bytes from `offset` on.

        Raises: StorageError.
        """
        if not self._has_aborted:
            return []
        return told_to_readers(
            self._segments_from(offset), offset, count_bytes, self.log_end_offset
        )

    def _segments_from(self, offset: int) -> Sequence[Segment]:
        """The segment that an offset is in, and all behind it."""
        at = bisect_right(self._segments, offset, key=attrgetter("base_offset"))
        return self._segments[max(at - 1, 0) :]

    def find_timestamp(self, timestamp: int, end_offset: int) -> Search:
        """Find the first record below `end_offset` with at least this timestamp (ms since 1970)."""
        return first_since(self._segments, timestamp, self.log_start_offset, end_offset)

    def max_timestamp(self, end_offset: int) -> Search:
        """Find the first record below `end_offset` that has the largest timestamp (KIP-734).

        None if no batch has a timestamp.
        """
        return newest(self._segments, self.log_start_offset, end_offset)

    def epoch_end_offset(self, leader_epoch: int) -> tuple[int, int]:
        """Answer OffsetForLeaderEpoch: (epoch, end offset, exclusive); see LeaderEpochs.end_of."""
        return self._epochs.end_of(leader_epoch, self.log_end_offset)

    def dirty_files(self) -> list[File]:
        """Hand over the files written since the last call, each once, to be flushed.

        When flush() of each has returned, all that was appended before this call is durable.
        """
        files, self._dirty = self._dirty, []
        self._dirty_segment = None
        self.has_rolled = False
        return files

    def raise_start(self, offset: int) -> None:
        """Let the log begin at `offset`; what lies below is no longer there for readers.

        It stays so after a restart only if the caller makes that durable and gives it to open().

        Args:
            offset: log_start_offset … log_end_offset; it may lie within a batch.
        """
        assert self.log_start_offset <= offset <= self.log_end_offset, f"log start {offset}"
        self.log_start_offset = offset
        self._epochs.drop_before(offset)

    @property
    def has_removable(self) -> bool:
        """Whether a segment ends at or before the log start."""
        return any(each.base_offset <= self.log_start_offset for each in self._segments[1:2])

    def removable_offset(self, durable_offset: int) -> int:
        """Up to where segments may go: below the log start, and remembered by a durable snapshot.

        Args:
            durable_offset: the log has been flushed up to here, exclusive.
        Returns: where a segment begins, which stays; 0 if none may go. Raises StorageError.
        """
        if not self.has_removable:
            return 0
        offset = self.log_start_offset
        if self._producers is not None:
            offset = min(offset, self._remembered_offset(durable_offset))
        bases = [each.base_offset for each in self._segments[1:] if each.base_offset <= offset]
        return bases[-1] if bases else 0

    def remove_before(self, offset: int, bytes_max: int) -> bool:
        """Do one step of removing the segments that end at or before `offset`, oldest first.

        A large file is shortened step by step: giving back a gigabyte at once takes the system
        hundreds of milliseconds. After a crash open() does the rest, if it is given that offset.

        Args:
            offset: removable_offset(), made durable by the caller.
            bytes_max: how much one step may remove.
        Returns: False when there was nothing left to do.
        Raises: StorageError; the next call tries again.
        """
        segments = self._segments
        if self._leaving is None:
            if len(segments) < 2 or segments[1].base_offset > offset:
                return False
            self._leaving = segments.pop(0)
        if self._leaving.shrink(bytes_max):
            self._leaving = None
        return True

    def _remembered_offset(self, durable_offset: int) -> int:
        """Up to where segments may go without a producer being forgotten."""
        # What a removed segment held of producers is in a snapshot or nowhere:
        # 1. batch 7 is stored  2. its segment is removed  3. the broker is killed  4. 7 comes
        # again, its producer is not known, any sequence will do: it is stored twice.
        # So nothing goes beyond the newest snapshot. One that is missing, because the disk was full
        # at the roll, is made up for, or nothing would ever go and the disk stay full.
        newest = self._snapshots.offsets[-1] if self._snapshots.offsets else 0
        active = self._active
        if active is not None and newest < active.base_offset and active.size:
            self._take_snapshot(active)
        # And it has to be of what is flushed: 1. a snapshot of 900, the log flushed up to 800
        # 2. segments go for its sake  3. power lost: the log ends at 800, and a snapshot of what is
        # not there is not believed.
        return self._snapshots.make_durable(durable_offset)

    def delete(self) -> list[tuple[str, bytes]]:
        """Close the log for good, and tell its directory and topic id, if it has a directory.

        The caller renames it, so that no later log of that name takes it for its own. Flushes
        under way do no harm.
        """
        self._close_files()
        self._segments, self._active, self._leaving = [], None, None
        if not self._has_directory or not self.storage.exists(self.directory):
            return []
        return [(self.directory, self._topic_id or b"")]

    def close(self) -> None:
        """Write the active segment's index files, a snapshot, and give all descriptors back.

        Flushes nothing: dirty_files() has what is to be flushed before stopped() is believed.
        """
        active = self._active
        if active is not None:
            active.excuse_empty_indexes()
            self._dirty += active.save_indexes()
            if active.size and self._producers:
                with contextlib.suppress(StorageError):
                    self._take_snapshot(active)
        self._close_files()

    def stopped(self) -> Stopped | None:
        """After close(): what spares the next start reading the log; None if it has no segment."""
        active = self._active
        if active is None:
            return None
        remembers_nothing = self._producers is not None and not len(self._producers)
        return Stopped(active.summary(self._epochs_of(active)), remembers_nothing)

    def _close_files(self) -> None:
        for segment in self._segments:
            segment.close()
        if self._leaving is not None:
            self._leaving.close()
