"""The records of one batch that has come, or why nobody will ever be able to read them.

Read next: fetcher.py (which batches), deserializing.py (what the application's functions make).
Tests: tests/system/client/test_client.py
"""

from __future__ import annotations

from itertools import repeat

from ...protocol.batch.header import BatchError, BatchHeader, Buffer, crc_is_valid
from ...protocol.batch.reading import records_in
from ...protocol.compression import MissingCodecError
from ...protocol.errors import ErrorCode
from ..errors import Fatal
from ..partitions import TopicPartition, name_of
from .position import ConsumerRecord, StoredRecord


def unpacked(
    place: TopicPartition,
    header: BatchHeader,
    batch: Buffer,
    position: int,
    *,
    check_crcs: bool,
) -> list[StoredRecord]:
    """The records from `position` on.

    Raises:
        Fatal: the bytes are no records.
    """
    if header.next_offset <= position:
        return []
    where = f"{name_of(place)} at offset {header.base_offset}"
    if check_crcs and not crc_is_valid(batch, header):
        raise unreadable(where, "the CRC of the batch does not match its bytes")
    try:
        records = records_in(batch)
    except (BatchError, MissingCodecError) as error:
        raise unreadable(where, str(error)) from None
    except Exception as error:  # bytes of which nobody thought; they must not end the rest
        raise unreadable(where, f"its records make no sense: {error!r}") from error
    topic, partition = place
    timestamp_type = int(header.is_log_append_time)
    epoch = header.partition_leader_epoch
    if header.base_offset < position:
        records = [record for record in records if record.offset >= position]
    if not records:
        return []
    offsets, timestamps, keys, values, headers = zip(*records, strict=True)
    columns = zip(
        *(repeat(topic), repeat(partition), offsets, timestamps, repeat(timestamp_type)),
        *(keys, values, headers, repeat(epoch)),
        strict=False,
    )
    return [*map(tuple.__new__, repeat(ConsumerRecord), columns)]  # a call each is too slow


def unreadable(where: str, why: str) -> Fatal:
    """The error of a record that nobody will ever be able to read."""
    return Fatal(
        f"{where}: {why}; seek past it to go on without it", code=ErrorCode.CORRUPT_MESSAGE
    )
