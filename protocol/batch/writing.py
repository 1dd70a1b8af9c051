"""Batches as bytes: built from records, or stamped and packed anew from a batch that came.

Source: DefaultRecordBatch.java, DefaultRecord.java.   Read first: header.py.
Tests: tests/unit/protocol/batch/test_header.py
"""

import struct
from collections.abc import Sequence
from typing import Final, TypeAlias

from crc32c import crc32c

from ..compression import Codec, compress
from ..varint import varint
from .header import (
    AFTER_CRC,
    ATTRIBUTES_AT,
    CODEC_BITS,
    CRC_AT,
    LENGTH_MIN,
    MAGIC,
    PRODUCER_ID_AT,
    UP_TO_CRC,
    BatchHeader,
    Buffer,
)
from .runs import RecordHeader

NewRecord: TypeAlias = tuple[bytes | None, bytes | None, Sequence[RecordHeader], int]
"""What build_batch packs: key, value, headers, timestamp (ms since 1970)."""

_HEAD: Final = struct.Struct(">qii")  # as UP_TO_CRC begins: all before MAGIC_AT
_ATTRIBUTES_TO_MAX_TIMESTAMP: Final = struct.Struct(">hiqq")  # as AFTER_CRC begins


def head_for(header: BatchHeader, base_offset: int, leader_epoch: int) -> bytes:
    """A fresh head of MAGIC_AT bytes: what is stored is this and the rest, the CRC untouched."""
    return _HEAD.pack(base_offset, header.batch_length, leader_epoch)


def restamped(batch: Buffer, header: BatchHeader, *, attributes: int, max_timestamp: int) -> bytes:
    """A copy of the batch with other attributes and max_timestamp, and the CRC they need.

    For topics with LogAppendTime, and to clear that bit where a producer has set it.
    """
    changed = _ATTRIBUTES_TO_MAX_TIMESTAMP.pack(
        attributes, header.last_offset_delta, header.base_timestamp, max_timestamp
    )
    rest = memoryview(batch)[PRODUCER_ID_AT:]
    crc = crc32c(rest, crc32c(changed))
    return b"".join((batch[:CRC_AT], crc.to_bytes(4, "big"), changed, rest))


def packed_anew(header: BatchHeader, codec: Codec, body: bytes) -> bytes:
    """The batch of a header with its records in other bytes, and the CRC they need.

    Args:
        body: the records, as `codec` packs them.
    """
    attributes = header.attributes & ~CODEC_BITS | codec
    return with_header(body, (attributes, *header[6:]), base_offset=header.base_offset)


def resealed(batch: bytes) -> bytes:
    """A batch whose bytes were changed, with the CRC that they need now."""
    crc = crc32c(batch[ATTRIBUTES_AT:])
    return batch[:CRC_AT] + crc.to_bytes(4, "big") + batch[ATTRIBUTES_AT:]


def with_header(
    body: bytes, after_crc: Sequence[int], base_offset: int = 0, leader_epoch: int = -1
) -> bytes:
    """A whole batch: the header that goes before these records, and they.

    Args:
        body: the records, packed by their codec.
        after_crc: attributes, the codec's bits among them, and every field behind, in the order of
            BatchHeader.
    """
    packed = AFTER_CRC.pack(*after_crc)
    crc = crc32c(body, crc32c(packed))
    head = UP_TO_CRC.pack(base_offset, LENGTH_MIN + len(body), leader_epoch, MAGIC, crc)
    return b"".join((head, packed, body))


def build_batch(
    records: Sequence[NewRecord],
    *,
    codec: Codec = Codec.NONE,
    attributes: int = 0,
    base_offset: int = 0,
    leader_epoch: int = -1,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
) -> bytes:
    """One batch, as a producer sends it unless told otherwise.

    Args:
        records: one or more of (key, value, headers, timestamp).
        attributes: the bits besides the codec's, such as TRANSACTIONAL_BIT.
    """
    assert records, "a batch has at least one record"
    base_timestamp = records[0][3]
    body = b"".join(
        _record_bytes(index, timestamp - base_timestamp, key, value, headers)
        for index, (key, value, headers, timestamp) in enumerate(records)
    )
    if codec != Codec.NONE:
        body = compress(codec, body)
    after_crc = (
        attributes | codec,
        len(records) - 1,
        base_timestamp,
        max(record[3] for record in records),
        producer_id,
        producer_epoch,
        base_sequence,
        len(records),
    )
    return with_header(body, after_crc, base_offset, leader_epoch)


def _record_bytes(
    offset_delta: int,
    timestamp_delta: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[RecordHeader],
) -> bytes:
    parts = [b"\0", varint(timestamp_delta), varint(offset_delta)]  # 0: no attributes exist
    parts += _bytes_parts(key)
    parts += _bytes_parts(value)
    parts.append(varint(len(headers)))
    for header_key, header_value in headers:
        parts += _bytes_parts(header_key.encode())
        parts += _bytes_parts(header_value)
    record = b"".join(parts)
    return varint(len(record)) + record


def _bytes_parts(value: bytes | None) -> tuple[bytes, bytes]:
    return (b"\x01", b"") if value is None else (varint(len(value)), value)
