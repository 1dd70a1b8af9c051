"""One partition's log: its segments, oldest first, and the offset that comes next.

Here: append and roll, which segment a read goes to, what is still to be flushed, the directory.
Not here: bytes within a segment (segment.py), the restart (recovery.py), when to flush and what
readers may see (the partition). Rules:
- Nothing is on disk before the first append: an empty log has no directory and no open file.
- An append changes everything or nothing. Batches are stamped (base offset, leader epoch) by
  writing 16 fresh bytes in front of the rest as it came.
- One owner, the loop. Only File.flush() of what dirty_files() hands over runs elsewhere.
Read next: segment.py, recovery.py, storage.py.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ...protocol.batch import BatchHeader
from .epochs import LeaderEpochs
from .recovery import RecoveryReport, recover
from .removal import finish_removal, lost_all
from .segment import (
    NO_TIMESTAMP,
    POSITION_MAX,
    RELATIVE_OFFSET_MAX,
    Segment,
    TimestampedOffset,
)
from .storage import Buffer, File, Storage, StorageError

METADATA_NAME: Final = "partition.metadata"
DELETED_SUFFIX: Final = "-delete"
_DIRECTORY_NAME_MAX: Final = 255


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
    to cut, or is None.
    """

    __slots__ = (
        "_active",
        "_dirty",
        "_dirty_segment",
        "_epochs",
        "_leaving",
        "_segments",
        "_topic_id",
        "config",
        "directory",
        "log_end_offset",
        "log_start_offset",
        "recovery",
        "storage",
    )

    def __init__(
        self, storage: Storage, directory: str, config: LogConfig, topic_id: bytes | None
    ) -> None:
        self.storage = storage
        self.directory = directory
        self.config = config
        self.log_start_offset = 0
        self.log_end_offset = 0
        self.recovery: RecoveryReport | None = None
        self._topic_id = topic_id
        self._segments: list[Segment] = []
        self._leaving: Segment | None = None  # below the log start, its files half removed
        self._active: Segment | None = None
        self._epochs = LeaderEpochs()
        self._dirty: list[File] = []
        self._dirty_segment: Segment | None = None  # the active one, once it is in _dirty

    @classmethod
    def open(
        cls,
        storage: Storage,
        directory: str,
        config: LogConfig,
        on_batch: Callable[[BatchHeader], None],
        topic_id: bytes | None = None,
        *,
        log_start_offset: int = 0,
    ) -> Log:
        """Recover a log from its directory, or begin an empty one if there is none.

        Args:
            directory: its name in the data directory, `<topic>-<partition>`.
            on_batch: called for every batch that is there, in order.
            topic_id: 16 bytes, written to `partition.metadata` when the directory is made.
            log_start_offset: what was made durable of it: segments below go unread. A log that
                ends below it is emptied, and goes on there: no offset is given out twice.
        Raises:
            DamagedLog: bytes before the tail are damaged; nothing was changed.
            StorageError: the disk could not be read.
        """
        log = cls(storage, directory, config, topic_id)
        finish_removal(storage, directory, log_start_offset)
        recovered = recover(storage, directory, config.index_interval_bytes, on_batch)
        log.recovery = recovered.report
        log._epochs = recovered.epochs
        log._segments = recovered.segments
        if recovered.segments:
            log._active = recovered.segments[-1]
            log.log_start_offset = recovered.segments[0].base_offset
            log.log_end_offset = log._active.next_offset
        if log_start_offset > log.log_end_offset:
            log.recovery = lost_all(log._segments, log.log_end_offset, log_start_offset)
            log._active, log.log_end_offset = None, log_start_offset
        log.raise_start(max(log_start_offset, log.log_start_offset))
        return log

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
            size + 12 + header.batch_length > config.segment_bytes
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
        segment = Segment.create(self.storage, self.directory, self.log_end_offset)
        if self._active is not None:
            self._active.save_indexes()
        self._segments.append(segment)
        self._active = segment
        return segment

    def _make_directory(self) -> None:
        self.storage.make_dirs(self.directory)
        if self._topic_id is not None:
            file = self.storage.create_file(f"{self.directory}/{METADATA_NAME}")
            file.append([_metadata_text(self._topic_id)])
            file.close()
            self._dirty.append(file)  # durable with the first batch: it tells whose batch that is

    def roll(self) -> None:
        """Begin a new segment, unless the active one is empty. Raises StorageError."""
        if self._active is not None and self._active.size:
            self._begin_segment()

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
        return segments[bisect_right(segments, offset, key=_base_offset) - 1]

    def find_timestamp(self, timestamp: int, end_offset: int) -> TimestampedOffset | None:
        """Return the first record below `end_offset` with at least this timestamp (ms since 1970).

        Batches are chosen by the max_timestamp of their header, which producers set.

        Raises: StorageError; BatchError if the records of that batch cannot be read.
        """
        for segment in self._segments:
            if segment.base_offset >= end_offset:
                break
            if segment.max_timestamp >= timestamp:
                found = segment.find_timestamp(timestamp, self.log_start_offset, end_offset)
                if found is not None:
                    return found
        return None

    def max_timestamp(self, end_offset: int) -> TimestampedOffset | None:
        """Return the first record below `end_offset` that has the largest timestamp (KIP-734).

        None if no batch has a timestamp. Raises like find_timestamp().
        """
        newest, found, newest_offset = NO_TIMESTAMP, None, 0
        for segment in self._segments:
            if segment.base_offset >= end_offset:
                break
            if segment.next_offset <= self.log_start_offset:
                continue
            timestamp, offset = segment.newest_timestamp(end_offset)
            if timestamp > newest:
                newest, found, newest_offset = timestamp, segment, offset
        return None if found is None else found.newest_record_in(newest_offset)

    def epoch_end_offset(self, leader_epoch: int) -> tuple[int, int]:
        """Answer OffsetForLeaderEpoch: (epoch, end offset, exclusive); see LeaderEpochs.end_of."""
        return self._epochs.end_of(leader_epoch, self.log_end_offset)

    def dirty_files(self) -> list[File]:
        """Hand over the files written since the last call, each once, to be flushed.

        When flush() of each has returned, all that was appended before this call is durable.
        """
        files, self._dirty = self._dirty, []
        self._dirty_segment = None
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

    def remove_below_start(self, bytes_max: int) -> bool:
        """Do one step of removing the segments that end at or before the log start, oldest first.

        A large file is shortened step by step: giving back a gigabyte at once takes the system
        hundreds of milliseconds. After a crash open() does the rest, so the log start that it is
        given must be durable before the first step. The active segment stays.

        Args:
            bytes_max: how much one step may remove.
        Returns: False when there was nothing left to do.
        Raises: StorageError; the next call tries again.
        """
        segments = self._segments
        if self._leaving is None:
            if len(segments) < 2 or segments[1].base_offset > self.log_start_offset:
                return False
            self._leaving = segments.pop(0)
        if self._leaving.shrink(bytes_max):
            self._leaving = None
        return True

    def delete(self) -> None:
        """Remove the log with its directory, which is renamed first, so that a crash shows.

        Flushes under way do no harm. The log is not to be used again. Raises StorageError.
        """
        self._close_files()
        self._segments, self._active, self._leaving = [], None, None
        if self.storage.exists(self.directory):
            topic, _, partition = self.directory.rpartition("-")
            rest = f"-{partition}.{(self._topic_id or b'').hex()}{DELETED_SUFFIX}"
            doomed = topic[: _DIRECTORY_NAME_MAX - len(rest)] + rest
            self.storage.rename(self.directory, doomed)
            self.storage.remove_tree(doomed)

    def close(self) -> None:
        """Write the active segment's index files and give all descriptors back. Flushes nothing."""
        if self._active is not None:
            self._active.save_indexes()
        self._close_files()

    def _close_files(self) -> None:
        for segment in self._segments:
            segment.close()
        if self._leaving is not None:
            self._leaving.close()


def _base_offset(segment: Segment) -> int:
    return segment.base_offset


def _metadata_text(topic_id: bytes) -> bytes:
    """The content of `partition.metadata`. Source: PartitionMetadata.java, Uuid.toString."""
    return b"version: 0\ntopic_id: " + base64.urlsafe_b64encode(topic_id).rstrip(b"=")


def read_topic_id(storage: Storage, directory: str) -> bytes | None:
    """Return the topic id (16 bytes) that a partition's directory was made for.

    None if it does not say: no such file, or one that a crash has left incomplete.
    Raises StorageError if the disk cannot be read.
    """
    path = f"{directory}/{METADATA_NAME}"
    if not storage.exists(path):
        return None
    encoded = storage.read_bytes(path).partition(b"topic_id: ")[2].strip()
    try:
        topic_id = base64.urlsafe_b64decode(encoded + b"==")
    except binascii.Error:
        return None
    return topic_id if len(topic_id) == 16 else None
