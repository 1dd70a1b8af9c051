"""One partition: check -> append -> record, the high watermark, and what readers may see.

    check    the batch itself (batch_check.py), then its sequence    nothing changes
    append   stamp base offset and leader epoch, one write to the active segment
    record   publish the producer's new state

A failed write publishes nothing.
Source: UnifiedLog.append; KIP-98.   Read next: batch_check.py, sequences.py, log/log.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...protocol.batch.header import LOG_APPEND_TIME_BIT, BatchHeader, Buffer, read_header
from ...protocol.batch.writing import restamped
from ...protocol.errors import ErrorCode, Refused
from ..config.topic import TopicConfig
from ..log.log import Log, LogConfig
from ..storage.flushable import Mark
from ..storage.port import File, FlushFailed, StorageError
from ..waiting.parked_fetches import ParkedFetch
from .batch_check import examine, header_of
from .opened import Opened, must_open, open_batch
from .sequences import Append, Duplicate, SequenceTable
from .verdicts import Ring, VerdictRings

_NOT_BEGUN = Refused(
    ErrorCode.KAFKA_STORAGE_ERROR, "the disk is full: not even the start could be written"
)


class Appended(NamedTuple):
    """A batch that was stored; log_append_time_ms is -1 unless the topic has LogAppendTime."""

    base_offset: int
    next_offset: int
    log_append_time_ms: int


class Partition:
    """A partition of a topic; a Flushable for group commit, a Readable for parked fetches.

    Args:
        flushed: whether an acknowledgement means a flush (durability fsync).
        leader_epoch: stamped into every batch appended from now on.
        is_writable: False as long as the start of this broker has not been written.
        rings: of the broker's verdicts.
    """

    __slots__ = (
        "_rings",
        "appended_bytes",
        "config",
        "durable_end_offset",
        "flushed",
        "index",
        "is_writable",
        "leader_epoch",
        "log",
        "readable_bytes",
        "sequences",
        "told_bytes",
        "topic",
        "verdicts",
        "waiting",
    )

    def __init__(
        self,
        topic: str,
        index: int,
        log: Log,
        sequences: SequenceTable,
        *,
        config: TopicConfig,
        flushed: bool,
        leader_epoch: int,
        is_writable: bool = True,
        rings: VerdictRings | None = None,
    ) -> None:
        self.topic = topic
        self.index = index
        self.log = log
        self.sequences = sequences
        self.config = config
        self.flushed = flushed
        self.leader_epoch = leader_epoch
        self.is_writable = is_writable
        self.durable_end_offset = log.log_end_offset
        self.appended_bytes = 0
        self.readable_bytes = 0  # the part of them that readers may see
        self.told_bytes = 0
        self.waiting: dict[ParkedFetch, None] | None = None
        self.verdicts: Ring | None = None
        self._rings = rings or VerdictRings()

    @property
    def key(self) -> str:
        """The log's name in checkpoints."""
        return self.log.key

    @property
    def high_watermark(self) -> int:
        """Where readers stop: the durable point under fsync, else the log end."""
        return self.durable_end_offset if self.flushed else self.log.log_end_offset

    def configure(self, config: TopicConfig) -> None:
        """Work by other values from the next batch on."""
        self.config = config
        self.log.config = log_config(config)

    def epoch_end_offset(self, leader_epoch: int) -> tuple[int, int]:
        """(epoch, end offset) of the largest epoch at or below the one asked for.

        The running epoch counts as begun at the log end although no batch carries it yet. An epoch
        above it, and -1, is unknown: (-1, -1); one older than all known ended where they begin.
        Source: LeaderEpochFileCache.endOffsetFor; KIP-320.
        """
        if leader_epoch == -1 or leader_epoch > self.leader_epoch:
            return -1, -1
        latest = self.log.latest_epoch
        if leader_epoch == self.leader_epoch or latest < 0:
            return leader_epoch, self.high_watermark
        epoch, end_offset = self.log.epoch_end_offset(min(leader_epoch, latest))
        return epoch, min(end_offset, self.high_watermark)

    def must_open(self, batch: Buffer | None) -> BatchHeader | None:
        """The header of a batch that has to be opened before produce() takes it."""
        header = header_of(batch)
        if isinstance(header, Refused) or not must_open(header, self.config):
            return None
        return header

    def produce(
        self,
        batch: Buffer | None,
        now_ms: int,
        client_id: str = "",
        opened: Opened | None = None,
    ) -> Appended | Duplicate | Refused:
        """Store one batch, or say why not; note which, to be explained later.

        Args:
            batch: the records field of a Produce request.
            now_ms: the broker's time, ms since 1970.
            client_id: for the explanation only.
            opened: what was found in it; without it a batch that must be opened is, here and now.
        """
        header: BatchHeader | None = None
        entry: bytes | None = None
        outcome: Append | Appended | Duplicate | Refused | None
        found = header_of(batch)
        if isinstance(found, Refused):
            outcome = found
        else:
            assert batch is not None
            header = found
            config = self.config
            if opened is None and must_open(header, config):
                opened = open_batch(batch, header, config)
            newest = examine(batch, header, config, now_ms, opened)
            if isinstance(newest, Refused):
                outcome = newest
            else:
                outcome = None
                if header.producer_id >= 0:
                    entry = self.sequences.entry(header.producer_id)
                    outcome = self.sequences.check(header)
                if outcome is None or isinstance(outcome, Append):
                    outcome = self._append(batch, header, newest, now_ms, opened)
        rings = self._rings
        ring = self.verdicts or rings.open(self)
        ring.append((next(rings.numbers), now_ms, client_id, header, entry, outcome))
        return outcome

    def dirty_files(self) -> Sequence[File]:
        """Files written since this was asked last."""
        return self.log.dirty_files()

    def mark(self) -> Mark:
        """How far the log reaches now."""
        return self.log.log_end_offset, self.appended_bytes

    def made_durable(self, mark: Mark) -> None:
        """Everything up to a mark has been flushed, so readers may see it."""
        self.durable_end_offset = mark[0]
        if self.flushed:
            self.readable_bytes = mark[1]

    def removable_offset(self) -> int:
        """Log.removable_offset() of what is flushed. Raises StorageError."""
        return self.log.removable_offset(self.high_watermark)

    def _append(
        self,
        batch: Buffer,
        header: BatchHeader,
        max_timestamp: int,
        now_ms: int,
        opened: Opened | None,
    ) -> Appended | Refused:
        if not self.is_writable:
            return _NOT_BEGUN
        log_append_time_ms = -1
        sent_crc = header.crc  # a retry comes with it again, whatever is stored
        if opened is not None and opened.batch is not None:
            batch, header = opened.batch, read_header(opened.batch)
        attributes = header.attributes & ~LOG_APPEND_TIME_BIT
        if self.config.log_append_time:
            attributes |= LOG_APPEND_TIME_BIT
            log_append_time_ms = now_ms
        if header.max_timestamp != max_timestamp or header.attributes != attributes:
            batch = restamped(batch, header, attributes=attributes, max_timestamp=max_timestamp)
            header = read_header(batch)
        try:
            base_offset = self.log.append(header, batch, self.leader_epoch, now_ms)
        except FlushFailed:
            raise  # of its topic, before the first batch: the broker ends
        except StorageError as error:
            return Refused(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
        if header.producer_id >= 0:
            sequences = self.sequences
            sequences.record(header, base_offset, sequences.monotonic_ms(), sent_crc)
        self.appended_bytes += len(batch)
        if not self.flushed:
            self.readable_bytes = self.appended_bytes
        fields = (base_offset, base_offset + header.records_count, log_append_time_ms)
        return tuple.__new__(Appended, fields)


def log_config(config: TopicConfig) -> LogConfig:
    """The part of a topic's configuration that its logs go by."""
    return LogConfig(
        segment_bytes=config.segment_bytes,
        segment_ms=config.segment_ms,
        index_interval_bytes=config.index_interval_bytes,
        segment_index_bytes=config.segment_index_bytes,
    )
