"""One partition: check -> append -> record, the high watermark, and what readers may see.

    check    the batch itself (header, CRC, record lengths), then its sequence    nothing changes
    append   stamp base offset and leader epoch, one write to the active segment
    record   publish the producer's new state

A failed write publishes nothing. A batch that would break consumers is never stored; compressed
batches are not opened. The order of the checks is Kafka's: what is wrong with the bytes is said
before what is wrong with the sequence.
Source: ProduceRequest.validateRecords, UnifiedLog.append, LogValidator; KIP-98.
Read next: sequences.py, log/log.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..protocol.batch import (
    CODEC_BITS,
    CONTROL_BIT,
    HEADER_BYTES,
    LOG_APPEND_TIME_BIT,
    MAGIC,
    BatchHeader,
    Buffer,
    crc_is_valid,
    lengths_add_up,
    read_header,
    restamped,
)
from ..protocol.compression import Codec
from ..protocol.errors import ErrorCode, Refused
from .group_commit import Mark
from .log.log import Log, LogConfig
from .log.storage import File, StorageError
from .parked import ParkedFetch
from .sequences import Append, Duplicate, SequenceTable
from .topic_config import TopicConfig
from .verdicts import Ring, VerdictRings

CODEC_MAX = int(Codec.ZSTD)
_LENGTH_AT = slice(8, 12)
_LENGTH_END = 12  # bytes before what batch_length counts
_MAGIC_AT = 16
_OLD_BATCH_BYTES_MIN = 14  # the shortest batch_length any format has had (LegacyRecord)

INVALID, CORRUPT = ErrorCode.INVALID_RECORD, ErrorCode.CORRUPT_MESSAGE
_NO_BATCH = Refused(INVALID, "the request holds no whole record batch for this partition")
_BAD_CRC = Refused(CORRUPT, "the batch's CRC does not match its bytes")
_NOT_BEGUN = Refused(
    ErrorCode.KAFKA_STORAGE_ERROR, "the disk is full: not even the start could be written"
)
_BAD_LENGTHS = Refused(INVALID, "the record lengths do not add up to the batch")


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
        self.waiting: list[ParkedFetch] | None = None
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

    def produce(
        self, batch: Buffer | None, now_ms: int, client_id: str = ""
    ) -> Appended | Duplicate | Refused:
        """Store one batch, or say why not; note which, to be explained later.

        Args:
            batch: the records field of a Produce request.
            now_ms: the broker's time, ms since 1970.
            client_id: for the explanation only.
        """
        header: BatchHeader | None = None
        entry: bytes | None = None
        outcome: Append | Appended | Duplicate | Refused | None
        if batch is None:
            outcome = _NO_BATCH
        elif len(batch) < HEADER_BYTES:
            outcome = _not_one_batch(batch)
        else:
            header = read_header(batch)
            if header.magic != MAGIC or header.batch_length != len(batch) - _LENGTH_END:
                header, outcome = None, _not_one_batch(batch)
            else:
                outcome = self._refusal(batch, header, now_ms)
                if outcome is None and header.producer_id >= 0:
                    entry = self.sequences.entry(header.producer_id)
                    outcome = self.sequences.check(header)
                if outcome is None or isinstance(outcome, Append):
                    outcome = self._append(batch, header, now_ms)
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

    def _append(self, batch: Buffer, header: BatchHeader, now_ms: int) -> Appended | Refused:
        if not self.is_writable:
            return _NOT_BEGUN
        log_append_time_ms = -1
        sent_crc = header.crc  # a retry comes with it again, whatever is stored
        if self.config.log_append_time:
            log_append_time_ms = now_ms
            attributes = header.attributes | LOG_APPEND_TIME_BIT
            batch = restamped(batch, header, attributes=attributes, max_timestamp=now_ms)
            header = read_header(batch)
        elif header.attributes & LOG_APPEND_TIME_BIT:
            attributes = header.attributes & ~LOG_APPEND_TIME_BIT
            kept = header.max_timestamp
            batch = restamped(batch, header, attributes=attributes, max_timestamp=kept)
            header = read_header(batch)
        try:
            base_offset = self.log.append(header, batch, self.leader_epoch, now_ms)
        except StorageError as error:
            return Refused(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
        if header.producer_id >= 0:
            sequences = self.sequences
            sequences.record(header, base_offset, sequences.monotonic_ms(), sent_crc)
        self.appended_bytes += len(batch)
        if not self.flushed:
            self.readable_bytes = self.appended_bytes
        return Appended(base_offset, base_offset + header.records_count, log_append_time_ms)

    def _refusal(self, batch: Buffer, header: BatchHeader, now_ms: int) -> Refused | None:
        """Everything that can be wrong with a batch, but for its sequence; None if nothing is."""
        config = self.config
        if len(batch) > config.max_message_bytes:
            return Refused(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"the batch has {len(batch)} bytes, max.message.bytes is "
                f"{config.max_message_bytes}",
            )
        if not crc_is_valid(batch, header):
            return _BAD_CRC
        refused = _structural_refusal(header) or self._timestamp_refusal(header, now_ms)
        if refused is not None:
            return refused
        if not header.attributes & CODEC_BITS and not lengths_add_up(batch, header):
            return _BAD_LENGTHS
        if len(batch) > config.segment_bytes:
            return Refused(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"the batch has {len(batch)} bytes, segment.bytes is {config.segment_bytes}",
            )
        return None

    def _timestamp_refusal(self, header: BatchHeader, now_ms: int) -> Refused | None:
        config = self.config
        if config.log_append_time:
            return None
        if header.max_timestamp > now_ms + config.message_timestamp_after_max_ms:
            return Refused(
                ErrorCode.INVALID_TIMESTAMP,
                f"timestamp {header.max_timestamp} lies more than message.timestamp.after.max.ms "
                f"ahead of the broker's {now_ms}",
            )
        if 0 <= header.base_timestamp < now_ms - config.message_timestamp_before_max_ms:
            return Refused(
                ErrorCode.INVALID_TIMESTAMP,
                f"timestamp {header.base_timestamp} lies more than "
                f"message.timestamp.before.max.ms behind the broker's {now_ms}",
            )
        return None


def log_config(config: TopicConfig) -> LogConfig:
    """The part of a topic's configuration that its logs go by."""
    return LogConfig(
        segment_bytes=config.segment_bytes,
        segment_ms=config.segment_ms,
        index_interval_bytes=config.index_interval_bytes,
        segment_index_bytes=config.segment_index_bytes,
    )


def _not_one_batch(records: Buffer) -> Refused:
    """Why these bytes are not the one batch a request may hold for a partition."""
    size = len(records)
    if size < _LENGTH_END:
        return _NO_BATCH
    length = int.from_bytes(records[_LENGTH_AT], "big", signed=True)
    if length < _OLD_BATCH_BYTES_MIN:
        return Refused(CORRUPT, f"batch_length {length} is too small for any batch")
    if size <= _MAGIC_AT:
        return _NO_BATCH
    magic = records[_MAGIC_AT]
    if magic > MAGIC:
        return Refused(CORRUPT, f"the batch has magic {magic}, which no format has")
    if size < _LENGTH_END + length:
        return _NO_BATCH
    if magic != MAGIC:
        return Refused(INVALID, f"the batch has the old format {magic}; only 2 is accepted")
    if size > _LENGTH_END + length:
        return Refused(INVALID, "bytes follow the batch; a partition takes one batch a request")
    return Refused(CORRUPT, f"a batch of {size} bytes is shorter than its header")


def _structural_refusal(header: BatchHeader) -> Refused | None:
    """What the header alone shows to be wrong."""
    if header.base_offset != 0:
        return Refused(INVALID, f"base_offset is {header.base_offset}; producers must send 0")
    count = header.records_count
    if count <= 0 or header.last_offset_delta != count - 1:
        return Refused(
            INVALID, f"{count} records do not go with last_offset_delta {header.last_offset_delta}"
        )
    attributes = header.attributes
    if attributes & CONTROL_BIT:
        return Refused(INVALID, "producers may not write control batches")
    if attributes & CODEC_BITS > CODEC_MAX:
        return Refused(INVALID, f"compression code {header.codec} is not known")
    if header.producer_id >= 0 and header.base_sequence < 0:
        return Refused(
            INVALID, f"producer id {header.producer_id} with sequence {header.base_sequence}"
        )
    return None
