"""Records of one shape in a row, read together: no key, no headers, values of one length.

Whoever sends many records of one kind makes such runs. All records of a run have the same size, so
that each byte of the format is a column with a stride, and columns are compared by C loops. What
does not fit ends the run; reading.py reads it record by record, and says what is wrong with it.
Source: DefaultRecord.java.   Read first: header.py.
Tests: tests/property/test_record_runs.py
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import repeat
from typing import Final, NamedTuple, TypeAlias

RUN_MIN: Final = 16  # records that are worth a look at all of them at once
_NULL: Final = 1  # a length of -1
_LOW: Final = bytes(range(0x80))  # the last byte of a number
_HIGH: Final = bytes(range(0x80, 0x100))  # any other byte of it
_TWO_BYTES: Final = range(0x80, 0x4000, 2)  # numbers that are not negative, as they are written


RecordHeader: TypeAlias = tuple[str, bytes | None]


class Record(NamedTuple):
    """One record as an application sees it; timestamp in ms since 1970."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[RecordHeader, ...]


class Run(NamedTuple):
    """Some records; their offset deltas rise by one from `first`."""

    first: int
    timestamp_deltas: list[int]
    values: list[bytes]
    end: int  # the position behind the last


def run_at(body: bytes, position: int, count_max: int) -> Run | None:
    """The run that begins with the record at `position`; None if it is not worth it.

    Raises: IndexError where the first record is cut short.
    """
    at = position
    length, at = _short_number(body, at)
    timestamp_at = at + 1
    _, offset_at = _short_number(body, timestamp_at)
    first, key_at = _short_number(body, offset_at)
    size, value_at = _short_number(body, key_at + 1)
    end = value_at + size // 2 + 1
    if body[key_at] != _NULL or (length | first | size) & 1 or end != at + length // 2:
        return None
    if at - position > 2 or max(offset_at - timestamp_at, key_at - offset_at) > 2:
        return None  # numbers of more bytes are few
    stride = end - position
    count = min(count_max, (len(body) - position) // stride)
    fixed = (*range(position, at), *range(key_at, value_at), end - 1)
    for column_at in fixed:
        if count < RUN_MIN:
            return None
        column = body[column_at : column_at + count * stride : stride]
        count -= len(column.lstrip(column[:1]))
    two_bytes = offset_at - timestamp_at == 2
    low = body[offset_at - 1 : offset_at - 1 + count * stride : stride]
    count -= len(low.lstrip(_LOW))
    high = body[timestamp_at : timestamp_at + count * stride : stride] if two_bytes else b""
    count = min(count, _rising(body, offset_at, first, stride, count))
    if count < RUN_MIN or high[:count].lstrip(_HIGH):
        return None
    numbers = [a & 0x7F | b << 7 for a, b in zip(high, low, strict=False)] if two_bytes else [*low]
    return Run(
        first // 2,
        [(number >> 1) ^ -(number & 1) for number in numbers[:count]],
        [
            body[each : each + size // 2]
            for each in range(value_at, value_at + count * stride, stride)
        ],
        position + count * stride,
    )


def records_of(
    run: Run, base_offset: int, base_timestamp: int, append_time: int | None
) -> Iterator[Record]:
    """The records of a run; append_time, if there is one, stands for every timestamp."""
    first, count = base_offset + run.first, len(run.values)
    stamps = (
        [base_timestamp + delta for delta in run.timestamp_deltas]
        if append_time is None
        else [append_time] * count
    )
    columns = zip(range(first, first + count), stamps, repeat(None), run.values, repeat(()))
    return map(tuple.__new__, repeat(Record), columns)  # as Record(*each), without a Python call


def _rising(body: bytes, position: int, first: int, stride: int, count: int) -> int:
    """How many numbers, one in each record, rise by one each, as long as they keep their size.

    Returns: 0 unless all of `count`, or all that can have this size, do.
    """
    if first < 0x80:
        count = min(count, (0x80 - first) // 2)
        low = body[position : position + count * stride : stride]
        return count if low == bytes(range(first, first + 2 * count, 2)) else 0
    at = (first - _TWO_BYTES.start) // 2
    count = min(count, len(_TWO_BYTES) - at)
    end = position + count * stride
    lows, highs = _two_byte_columns()
    is_so = (
        body[position:end:stride] == lows[at : at + count]
        and body[position + 1 : end + 1 : stride] == highs[at : at + count]
    )
    return count if is_so else 0


@lru_cache(maxsize=1)
def _two_byte_columns() -> tuple[bytes, bytes]:
    return (
        bytes(number & 0x7F | 0x80 for number in _TWO_BYTES),
        bytes(number >> 7 for number in _TWO_BYTES),
    )


def _short_number(body: bytes, position: int) -> tuple[int, int]:
    """A number of up to three bytes as it is written, and the position after it."""
    number, shift = 0, 0
    while True:
        byte = body[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 or shift > 14:
            return number, position
