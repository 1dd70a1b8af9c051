"""The records of a batch, one by one or run by run, as an application sees them.

Bytes come from a socket or a disk: whatever they hold, the answer is the records or BatchError.
Source: DefaultRecordBatch.java, DefaultRecord.java.   Read first: header.py, runs.py.
"""

from typing import Final

from ..compression import Codec, decompress
from .header import HEADER_BYTES, MAGIC, BatchError, BatchHeader, Buffer, read_header
from .runs import RUN_MIN, Record, RecordHeader, Run, records_of, run_at

_RECORD_BYTES_MIN: Final = 6  # attributes, two deltas, two lengths, a count: a byte each
_HEADER_BYTES_MIN: Final = 2
_INT64: Final = range(-(2**63), 2**63)


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
