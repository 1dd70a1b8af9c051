"""RecordBatch v2: the header, its CRC, stamping, reading, building.

A broker stores and serves batches as they came, once record_check.py has seen that their records
are good; records_in() and build_batch() are for those who read and write them. Rules:
- Bytes come from a socket or a disk: whatever they hold, the answer is a value or BatchError.
- base_offset, batch_length and partition_leader_epoch lie outside the CRC, so that a broker stamps
  them without reading the rest.
- `batch` is one whole batch and nothing else; `buf` may hold more.

Read next: record_check.py, sequence.py, compression.py, broker/partitions/sequences.py.
Source: DefaultRecordBatch.java, DefaultRecord.java; KIP-98.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import construct
from crc32c import crc32c

from . import sequence
from .compression import Codec, compress, decompress
from .record_runs import RUN_MIN, Run, records_of, run_at
from .record_runs import Record as Record  # noqa: PLC0414  everybody finds it here

Buffer: TypeAlias = bytes | bytearray | memoryview
RecordHeader: TypeAlias = tuple[str, bytes | None]
NewRecord: TypeAlias = tuple[bytes | None, bytes | None, Sequence[RecordHeader], int]
"""What build_batch packs: key, value, headers, timestamp (ms since 1970)."""

MAGIC: Final = 2
CODEC_BITS: Final = 0x07
LOG_APPEND_TIME_BIT: Final = 0x08
TRANSACTIONAL_BIT: Final = 0x10
CONTROL_BIT: Final = 0x20

BATCH_HEADER: Final = construct.Struct(
    "base_offset" / construct.Int64sb,
    "batch_length" / construct.Int32sb,  # bytes after this field
    "partition_leader_epoch" / construct.Int32sb,
    "magic" / construct.Int8sb,
    "crc" / construct.Int32ub,  # CRC-32C of everything after this field
    "attributes" / construct.Int16sb,
    "last_offset_delta" / construct.Int32sb,
    "base_timestamp" / construct.Int64sb,
    "max_timestamp" / construct.Int64sb,
    "producer_id" / construct.Int64sb,
    "producer_epoch" / construct.Int16sb,
    "base_sequence" / construct.Int32sb,
    "records_count" / construct.Int32sb,
)
"""The format in print. _FIELDS is the same in one step; a test holds them equal."""

_FIELDS: Final = struct.Struct(">qiibIhiqqqhii")
_HEAD: Final = struct.Struct(">qii")
_AFTER_CRC: Final = struct.Struct(">hiqqqhii")
_ATTRIBUTES_TO_MAX_TIMESTAMP: Final = struct.Struct(">hiqq")

HEADER_BYTES: Final = 61
HEAD_BYTES: Final = 16  # what head_for() writes anew
_LENGTH_AND_BEFORE: Final = 12  # base_offset and batch_length, which batch_length does not count
_CRC_AT: Final = 17
_CRC_FROM: Final = 21
_AFTER_MAX_TIMESTAMP: Final = 43
_RECORD_BYTES_MIN: Final = 6  # attributes, two deltas, two lengths, a count: a byte each
_HEADER_BYTES_MIN: Final = 2
_INT64: Final = range(-(2**63), 2**63)


class BatchError(ValueError):
    """These bytes are no record batch, or not one that can be read; the text says why."""


class BatchHeader(NamedTuple):
    """The header of a batch, as it stands in the bytes: nothing has been checked.

    Offsets, sequences and timestamps (ms since 1970) mean what Kafka means by them; -1 is "none"
    for producer_id, producer_epoch, base_sequence and partition_leader_epoch.
    """

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def size_bytes(self) -> int:
        """The whole batch, header and all."""
        return _LENGTH_AND_BEFORE + self.batch_length

    @property
    def last_offset(self) -> int:
        """Inclusive."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The offset of whatever follows this batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """Inclusive, on the ring; -1 when the batch has no sequence."""
        if self.base_sequence < 0:
            return -1
        return sequence.add(self.base_sequence, self.last_offset_delta)

    @property
    def codec(self) -> int:
        """0…7: a Codec, or a number that is none."""
        return self.attributes & CODEC_BITS

    @property
    def is_log_append_time(self) -> bool:
        """True when max_timestamp, the broker's, stands for every record's timestamp."""
        return bool(self.attributes & LOG_APPEND_TIME_BIT)

    @property
    def is_transactional(self) -> bool:
        """True for data and markers of a transaction."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        """True for a transaction marker, which no application sees."""
        return bool(self.attributes & CONTROL_BIT)


def read_header(buf: Buffer, position: int = 0) -> BatchHeader:
    """The header at `position` (≥ 0). Raises BatchError when fewer than 61 bytes are there."""
    try:
        return tuple.__new__(BatchHeader, _FIELDS.unpack_from(buf, position))
    except struct.error:
        raise BatchError(
            f"a batch header takes {HEADER_BYTES} bytes, and {len(buf) - position} are left"
        ) from None


def crc_is_valid(buf: Buffer, header: BatchHeader, position: int = 0) -> bool:
    """Whether the batch at `position` is all there and its CRC-32C holds."""
    end = position + _LENGTH_AND_BEFORE + header[1]  # by number, here and below: twice as fast
    if end > len(buf) or header[1] < HEADER_BYTES - _LENGTH_AND_BEFORE:
        return False
    return bool(crc32c(memoryview(buf)[position + _CRC_FROM : end]) == header[4])


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
    return b"".join((batch[:_CRC_AT], crc.to_bytes(4, "big"), changed, rest))


def packed_anew(header: BatchHeader, codec: Codec, body: bytes) -> bytes:
    """The batch of a header with its records in other bytes, and the CRC they need.

    Args:
        body: the records, as `codec` packs them.
    """
    after_crc = _AFTER_CRC.pack(header.attributes & ~CODEC_BITS | codec, *header[6:])
    head = _HEAD.pack(header.base_offset, HEADER_BYTES - _LENGTH_AND_BEFORE + len(body), -1)
    crc = crc32c(body, crc32c(after_crc))
    return b"".join((head, MAGIC.to_bytes(1, "big"), crc.to_bytes(4, "big"), after_crc, body))


def headers_in(buf: Buffer) -> Iterator[tuple[int, BatchHeader]]:
    """The position and header of each whole batch in `buf`; a batch that is cut short ends it.

    Raises: BatchError at a batch_length that no batch can have. CRCs are not checked.
    """
    position, size = 0, len(buf)
    while position + HEADER_BYTES <= size:
        header = read_header(buf, position)
        end = position + header.size_bytes
        if end < position + HEADER_BYTES:
            raise BatchError(f"batch_length {header.batch_length} at byte {position}")
        if end > size:
            return
        yield position, header
        position = end


def records_in(batch: Buffer, *, decompressed_bytes_max: int = 2**27) -> list[Record]:
    """The records of one batch, decompressed; the CRC is not checked.

    Raises: BatchError unless every record can be read, offsets rise and stay inside the batch,
        nothing is left over, and the records take at most decompressed_bytes_max.
        MissingCodecError when the batch needs a package that is not installed.
    """
    header = read_header(batch)
    if header.magic != MAGIC or header.size_bytes != len(batch) or header.records_count < 0:
        raise BatchError(
            f"not one whole batch of magic {MAGIC}: magic {header.magic}, {header.records_count} "
            f"records, {header.size_bytes} bytes announced, {len(batch)} found"
        )
    body = bytes(memoryview(batch)[HEADER_BYTES:])
    if header.codec != Codec.NONE:
        try:
            body = decompress(Codec(header.codec), body, size_max=decompressed_bytes_max)
        except ValueError as error:
            raise BatchError(str(error)) from None
    try:
        return _read_records(body, header)
    except IndexError:
        raise BatchError("the last record is cut short") from None


def _read_records(body: bytes, header: BatchHeader) -> list[Record]:
    """Every record. Raises BatchError, or IndexError where the bytes run out."""
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    append_time = header.max_timestamp if header.is_log_append_time else None
    records: list[Record] = []
    delta_before, position = -1, 0
    next_look = 0  # at a run
    while (left := header.records_count - len(records)) > 0:
        if left >= RUN_MIN and len(records) >= next_look:
            run = run_at(body, position, left)
            if run is not None and _fits(run, header, delta_before):
                records += records_of(run, base_offset, base_timestamp, append_time)
                delta_before, position = records[-1].offset - base_offset, run.end
                continue
            next_look = len(records) + RUN_MIN
        length, position = read_varint(body, position)
        end = position + length
        if length < _RECORD_BYTES_MIN or end > len(body):
            raise BatchError(f"a record of {length} bytes, and {len(body) - position} are left")
        timestamp_delta, position = read_varint(body, position + 1)
        offset_delta, position = read_varint(body, position)
        key, position = _read_bytes(body, position, end)
        value, position = _read_bytes(body, position, end)
        headers, position = _read_record_headers(body, position, end)
        timestamp = base_timestamp + timestamp_delta if append_time is None else append_time
        if position != end:
            raise BatchError(f"a record ends at byte {position} of the records, not at {end}")
        if not delta_before < offset_delta <= header.last_offset_delta:
            raise BatchError(f"a record of offset delta {offset_delta} after {delta_before}")
        if timestamp not in _INT64:
            raise BatchError(f"a record of timestamp {timestamp}")
        records.append(Record(base_offset + offset_delta, timestamp, key, value, headers))
        delta_before = offset_delta
    if position != len(body):
        raise BatchError(f"{len(body) - position} bytes left over after the last record")
    return records


def _fits(run: Run, header: BatchHeader, delta_before: int) -> bool:
    """Whether a run is as its batch allows; if not, the slow way says why."""
    stamps = (header.base_timestamp + f(run.timestamp_deltas) for f in (min, max))
    return (
        delta_before < run.first
        and run.first + len(run.values) - 1 <= header.last_offset_delta
        and all(stamp in _INT64 for stamp in stamps)
    )


def _read_record_headers(
    body: bytes, position: int, end: int
) -> tuple[tuple[RecordHeader, ...], int]:
    count, position = read_varint(body, position)
    if count == 0:
        return (), position
    if not 0 < count * _HEADER_BYTES_MIN <= end - position:
        raise BatchError(f"{count} headers in {end - position} bytes")
    headers = []
    for _ in range(count):
        key, position = _read_bytes(body, position, end)
        value, position = _read_bytes(body, position, end)
        if key is None:
            raise BatchError("a header without a key")
        # As Java reads them: a consumer must get past a key that some client wrote as it pleased.
        headers.append((key.decode("utf-8", "replace"), value))
    return tuple(headers), position


def _read_bytes(body: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    length, position = read_varint(body, position)
    if length < 0:
        if length != -1:
            raise BatchError(f"a length of {length}")
        return None, position
    if length > end - position:
        raise BatchError(f"{length} bytes announced, and {end - position} are left")
    return body[position : position + length], position + length


def read_varint(buf: Buffer, position: int) -> tuple[int, int]:
    """The zig-zag number at `position`, and the position after it. IndexError when cut short."""
    byte = buf[position]
    zigzag = byte & 0x7F
    shift = 7
    while byte >= 0x80:
        position += 1
        byte = buf[position]
        zigzag |= (byte & 0x7F) << shift
        shift += 7
        if zigzag >> 64 or shift > 70:
            raise BatchError("a number of more than 64 bits")
    return (zigzag >> 1) ^ -(zigzag & 1), position + 1


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
    head = _HEAD.pack(base_offset, HEADER_BYTES - _LENGTH_AND_BEFORE + len(body), leader_epoch)
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
