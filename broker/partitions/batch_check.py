"""What can be wrong with a batch that a producer sends, but for its sequence; and its newest time.

In Kafka's order: what is wrong with the bytes is said before what is wrong with the sequence, and
a batch that would break consumers is never stored.
Source: ProduceRequest.validateRecords, UnifiedLog.append, LogValidator.
Read next: protocol/batch/check.py, partition.py.
Tests: tests/unit/broker/partitions/test_partition.py
"""

from __future__ import annotations

from typing import TypeAlias

from crc32c import crc32c

from ...protocol.batch.check import check_records
from ...protocol.batch.header import (
    ATTRIBUTES_AT,
    CODEC_BITS,
    CONTROL_BIT,
    HEADER_BYTES,
    LENGTH_AT,
    LENGTH_END,
    LOG_APPEND_TIME_BIT,
    MAGIC,
    MAGIC_AT,
    BatchError,
    BatchHeader,
    Buffer,
    read_header,
)
from ...protocol.batch.reading import records_in
from ...protocol.compression import Codec, MissingCodecError
from ...protocol.errors import ErrorCode, Refused
from ..config.topic import TopicConfig
from .opened import Opened, open_batch

Examined: TypeAlias = "tuple[BatchHeader | None, int | Refused, Opened | None]"
"""The header if there is one; why the batch is refused, or the max_timestamp to store it with, ms
since 1970; and what was found in it if it had to be opened. The max_timestamp is the newest of its
records, whatever its header says, or the broker's own time on a topic with LogAppendTime."""

NO_TIMESTAMP = -1
_CODEC_MAX = int(Codec.ZSTD)
_OLD_BATCH_BYTES_MIN = 14  # the shortest batch_length any format has had (LegacyRecord)

INVALID, CORRUPT = ErrorCode.INVALID_RECORD, ErrorCode.CORRUPT_MESSAGE
_NO_BATCH = Refused(INVALID, "the request holds no whole record batch for this partition")
_BAD_CRC = Refused(CORRUPT, "the batch's CRC does not match its bytes")
_BAD_RECORDS = Refused(
    INVALID,
    "the records are not as the format has them: offset deltas 0, 1, 2 ..., numbers of no more"
    " bytes and bits than their type has, and exactly as many records as the header says",
)
_APPEND_TIME_BY_PRODUCER = Refused(
    ErrorCode.INVALID_TIMESTAMP, "LogAppendTime is the broker's to set, not the producer's"
)


def header_of(records: Buffer | None) -> BatchHeader | Refused:
    """The header of the one batch that a request may hold for a partition."""
    if records is None:
        return _NO_BATCH
    size = len(records)
    if size < HEADER_BYTES:
        return _not_one_batch(records)
    header = read_header(records)
    if header.magic != MAGIC or header.batch_length != size - LENGTH_END:
        return _not_one_batch(records)
    return header


def examine(
    batch: Buffer | None, config: TopicConfig, now_ms: int, opened: Opened | None = None
) -> Examined:
    """All that there is to say about a batch but for its sequence; nothing changes.

    Args:
        batch: the records field of a Produce request.
        opened: what was found in it; without it a batch that must be opened is, here and now.
    """
    header = header_of(batch)
    if isinstance(header, Refused):
        return None, header, opened
    assert batch is not None
    size = len(batch)
    # A name for each field: every batch comes by here, and asking the header takes longer.
    base_offset, _, _, _, crc = header[:5]
    attributes, last_delta, base, max_timestamp, producer_id, _, sequence, count = header[5:]
    if size > config.max_message_bytes:
        return header, _size_refusal(size, config), opened
    if crc32c(batch[ATTRIBUTES_AT:]) != crc:
        return header, _BAD_CRC, opened
    if (
        base_offset
        or not 0 < count == last_delta + 1
        or attributes & CONTROL_BIT
        or attributes & CODEC_BITS > _CODEC_MAX
        or sequence < 0 <= producer_id
    ):
        return header, _structural_refusal(header), opened
    if opened is None and (attributes & CODEC_BITS or config.codec):
        opened = open_batch(batch, header, config)
    if opened is None:
        deltas = check_records(batch, HEADER_BYTES, count)
        if deltas is None:
            return header, _explained(batch), None
    else:
        deltas = opened.deltas
        if opened.refused is not None:
            return header, opened.refused, opened
        if opened.batch is not None:
            size = len(opened.batch)
    if deltas is not None:
        oldest, newest = base + deltas[0], base + deltas[1]
    else:  # its codec is not installed: what the header says must do
        oldest, newest = base, max_timestamp
    if config.log_append_time or attributes & LOG_APPEND_TIME_BIT:
        oldest = newest = _time_of_all(header, config, now_ms)
        if newest == NO_TIMESTAMP:
            return header, _APPEND_TIME_BY_PRODUCER, opened
    if (
        newest > now_ms + config.message_timestamp_after_max_ms
        or oldest < now_ms - config.message_timestamp_before_max_ms
    ):
        refused = _time_refusal(batch, oldest, newest, config, now_ms)
        if refused is not None:
            return header, refused, opened
    if size > config.segment_bytes or size > config.max_message_bytes:
        return header, _size_refusal(size, config), opened
    return header, newest if newest >= 0 else NO_TIMESTAMP, opened


def _time_of_all(header: BatchHeader, config: TopicConfig, now_ms: int) -> int:
    """The one timestamp that stands for all records; NO_TIMESTAMP: none may.

    Kafka takes the bit from a producer where it means nothing, and clears it.
    """
    if not config.log_append_time:
        return header.max_timestamp
    return NO_TIMESTAMP if header.is_log_append_time else now_ms


def _size_refusal(size: int, config: TopicConfig) -> Refused:
    """Of a batch as it came, or compressed anew."""
    if size > config.max_message_bytes:
        return Refused(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"the batch has {size} bytes, max.message.bytes is {config.max_message_bytes}",
        )
    return Refused(
        ErrorCode.RECORD_LIST_TOO_LARGE,
        f"the batch has {size} bytes, segment.bytes is {config.segment_bytes}",
    )


def _time_refusal(
    batch: Buffer, oldest: int, newest: int, config: TopicConfig, now_ms: int
) -> Refused | None:
    """The refusal of timestamps that seem out of range, if they are.

    Records may be without a timestamp, which is -1 and in any range: then the others count.
    """
    latest = now_ms + config.message_timestamp_after_max_ms
    earliest = now_ms - config.message_timestamp_before_max_ms
    if newest <= latest and oldest == NO_TIMESTAMP:
        oldest = newest if newest == NO_TIMESTAMP else _oldest_timestamp(batch)
        if oldest == NO_TIMESTAMP or oldest >= earliest:
            return None
    return Refused(
        ErrorCode.INVALID_TIMESTAMP,
        f"timestamp {newest if newest > latest else oldest} is out of range:"
        " message.timestamp.before.max.ms and message.timestamp.after.max.ms"
        f" allow {earliest} to {latest}",
    )


def _oldest_timestamp(batch: Buffer) -> int:
    """Of the records that have one; NO_TIMESTAMP if the batch cannot be opened here."""
    try:
        stamps = [record.timestamp for record in records_in(batch)]
    except MissingCodecError:
        return NO_TIMESTAMP
    return min(stamp for stamp in stamps if stamp != NO_TIMESTAMP)


def _explained(batch: Buffer) -> Refused:
    """The refusal of records that are not good, with the reader's words where it stumbles, too."""
    try:
        records_in(batch)
    except BatchError as error:
        return Refused(INVALID, str(error))
    return _BAD_RECORDS


def _not_one_batch(records: Buffer) -> Refused:
    """Why these bytes are not the one batch a request may hold for a partition."""
    size = len(records)
    if size < LENGTH_END:
        return _NO_BATCH
    length = int.from_bytes(records[LENGTH_AT:LENGTH_END], "big", signed=True)
    if length < _OLD_BATCH_BYTES_MIN:
        return Refused(CORRUPT, f"batch_length {length} is too small for any batch")
    if size <= MAGIC_AT:
        return _NO_BATCH
    magic = records[MAGIC_AT]
    if magic > MAGIC:
        return Refused(CORRUPT, f"the batch has magic {magic}, which no format has")
    if size < LENGTH_END + length:
        return _NO_BATCH
    if magic != MAGIC:
        return Refused(INVALID, f"the batch has the old format {magic}; only 2 is accepted")
    if size > LENGTH_END + length:
        return Refused(INVALID, "bytes follow the batch; a partition takes one batch a request")
    return Refused(CORRUPT, f"a batch of {size} bytes is shorter than its header")


def _structural_refusal(header: BatchHeader) -> Refused:
    """What the header alone shows to be wrong."""
    if header.base_offset != 0:
        return Refused(INVALID, f"base_offset is {header.base_offset}; producers must send 0")
    count = header.records_count
    if count <= 0 or header.last_offset_delta != count - 1:
        return Refused(
            INVALID, f"{count} records do not go with last_offset_delta {header.last_offset_delta}"
        )
    if header.is_control:
        return Refused(INVALID, "producers may not write control batches")
    if header.codec > _CODEC_MAX:
        return Refused(INVALID, f"compression code {header.codec} is not known")
    return Refused(
        INVALID, f"producer id {header.producer_id} with sequence {header.base_sequence}"
    )
