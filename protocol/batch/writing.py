"""Batches as bytes: built from records, or stamped and packed anew from a batch that came.

Source: DefaultRecordBatch.java, DefaultRecord.java.   Read first: header.py.
"""

import struct
from collections.abc import Sequence
from typing import Final, TypeAlias

from crc32c import crc32c

from ..compression import Codec, compress
from .header import CODEC_BITS, CRC_AT, HEADER_BYTES, LENGTH_END, MAGIC, BatchHeader, Buffer
from .runs import RecordHeader

NewRecord: TypeAlias = tuple[bytes | None, bytes | None, Sequence[RecordHeader], int]
"""What build_batch packs: key, value, headers, timestamp (ms since 1970)."""

HEAD_BYTES: Final = 16  # what head_for() writes anew
_HEAD: Final = struct.Struct(">qii")
_AFTER_CRC: Final = struct.Struct(">hiqqqhii")
_ATTRIBUTES_TO_MAX_TIMESTAMP: Final = struct.Struct(">hiqq")
_AFTER_MAX_TIMESTAMP: Final = 43


def head_for(header: BatchHeader, base_offset: int, leader_epoch: int) -> bytes:
    """A fresh head of 16 bytes: what is stored is this and `batch[16:]`, the CRC untouched."""
    return _HEAD.pack(base_offset, header[1], leader_epoch)


def restamped(batch: Buffer, header: BatchHeader, *, attributes: int, max_timestamp: int) -> bytes:
    """A copy of the batch with other attributes and max_timestamp, and the CRC they need.

    For topics with LogAppendTime, and to clear that bit where a producer has set it.
    """
    changed = _ATTRIBUTES_TO_MAX_TIMESTAMP.pack(attributes, header[6], header[7], max_timestamp)
    rest = memoryview(batch)[_AFTER_MAX_TIMESTAMP:]
    crc = crc32c(rest, crc32c(changed))
    return b"".join((batch[:CRC_AT], crc.to_bytes(4, "big"), changed, rest))


def packed_anew(header: BatchHeader, codec: Codec, body: bytes) -> bytes:
    """The batch of a header with its records in other bytes, and the CRC they need.

    Args:
        body: the records, as `codec` packs them.
    """
    after_crc = _AFTER_CRC.pack(header.attributes & ~CODEC_BITS | codec, *header[6:])
    head = _HEAD.pack(header.base_offset, HEADER_BYTES - LENGTH_END + len(body), -1)
    crc = crc32c(body, crc32c(after_crc))
    return b"".join((head, MAGIC.to_bytes(1, "big"), crc.to_bytes(4, "big"), after_crc, body))


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
    after_crc = _AFTER_CRC.pack(
        attributes | codec,
        len(records) - 1,
        base_timestamp,
        max(record[3] for record in records),
        producer_id,
        producer_epoch,
        base_sequence,
        len(records),
    )
    head = _HEAD.pack(base_offset, HEADER_BYTES - LENGTH_END + len(body), leader_epoch)
    crc = crc32c(body, crc32c(after_crc))
    return b"".join((head, MAGIC.to_bytes(1, "big"), crc.to_bytes(4, "big"), after_crc, body))


def _record_bytes(
    offset_delta: int,
    timestamp_delta: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[RecordHeader],
) -> bytes:
    parts = [b"\0", _varint(timestamp_delta), _varint(offset_delta)]  # 0: no attributes exist
    parts += _bytes_parts(key)
    parts += _bytes_parts(value)
    parts.append(_varint(len(headers)))
    for header_key, header_value in headers:
        parts += _bytes_parts(header_key.encode())
        parts += _bytes_parts(header_value)
    record = b"".join(parts)
    return _varint(len(record)) + record


def _bytes_parts(value: bytes | None) -> tuple[bytes, bytes]:
    return (b"\x01", b"") if value is None else (_varint(len(value)), value)


def _varint(number: int) -> bytes:
    """`number`, of 64 bits at most, in zig-zag form: 7 bits a byte, low ones first."""
    zigzag = (number << 1) ^ (number >> 63)
    if zigzag < 0x80:
        return zigzag.to_bytes(1, "big")
    encoded = bytearray()
    while zigzag >= 0x80:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)
