"""The bytes of a batch's records, from columns: values, keys, headers, timestamps.

A batch is encoded once, when it is sealed, so that the work is done by C loops over whole columns:
- Records with a value, no key and no headers are five columns of ready parts, joined at once. Where
  all values have one length and one timestamp, all but the value is known beforehand.
- Every other record is put together by itself.
Source: DefaultRecord.writeTo.   Read next: producer_batch.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Final

from ..protocol.batch import RecordHeader

ONE_BYTE_END: Final = 64  # numbers below take one byte as a zig-zag varint
_INDEX_STEPS: Final = (0, 64, 8_192, 1_048_576, 2**31)  # where a varint grows by a byte
_KEPT: Final = 4_096
_UNIFORM_MIN: Final = 8  # records of one length that are worth a table
_NOTHING_BESIDE: Final = 3  # attributes, null key, no headers: a byte each


def varint(number: int) -> bytes:
    """`number` (64 bits at most) as a zig-zag varint."""
    zigzag = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while zigzag >= 0x80:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


class Varints(dict[int, bytes]):
    """The varint of any number; small ones are made once."""

    def __missing__(self, number: int) -> bytes:
        """Make it."""
        made = varint(number)
        if 0 <= number < _KEPT:
            self[number] = made
        return made


class _Heads(dict[int, bytes]):
    """By length of its value: what stands before a plain record's timestamp delta, and after the
    record before."""

    def __init__(self, index_bytes: int) -> None:
        super().__init__()
        self._beside = _NOTHING_BESIDE + 1 + index_bytes

    def __missing__(self, length: int) -> bytes:
        """Make it."""
        made = b"\0" + varint(self._beside + len(varint(length)) + length) + b"\0"
        if length < _KEPT:
            self[length] = made
        return made


class _Tails(dict[int, bytes]):
    """By length of its value: the null key and the length, which stand before the value."""

    def __missing__(self, length: int) -> bytes:
        """Make it."""
        made = b"\1" + varint(length)
        if length < _KEPT:
            self[length] = made
        return made


_VARINTS: Final = Varints()
_HEADS: Final = tuple(_Heads(index_bytes) for index_bytes in range(1, len(_INDEX_STEPS)))
_TAILS: Final = _Tails()
_NULL: Final = varint(-1)


def plain_records(values: Sequence[bytes], deltas: Sequence[int]) -> bytes:
    """Records without keys and headers.

    Args:
        deltas: of the timestamps, below ONE_BYTE_END and not negative.
    """
    parts: list[bytes] = []
    for index_bytes, first in enumerate(_INDEX_STEPS[:-1], 1):
        if first >= len(values):
            break
        some = values[first : _INDEX_STEPS[index_bytes]]
        lengths = [*map(len, some)]
        count, length = len(some), lengths[0]
        if count >= _UNIFORM_MIN and lengths.count(length) == count and not any(deltas):
            columns = [b""] * (2 * count)
            room = 1 << (count - 1).bit_length()  # few tables for many counts
            columns[0::2] = _prefixes(length, first, index_bytes, room)[:count]
            columns[1::2] = some
        else:
            columns = [b""] * (5 * count)
            columns[0::5] = map(_HEADS[index_bytes - 1].__getitem__, lengths)
            columns[1::5] = map(_VARINTS.__getitem__, deltas[first : first + count])
            columns[2::5] = map(_VARINTS.__getitem__, range(first, first + count))
            columns[3::5] = map(_TAILS.__getitem__, lengths)
            columns[4::5] = some
        parts += columns
    parts.append(b"\0")
    parts[0] = parts[0][1:]  # it closes a record, and here is none before
    return b"".join(parts)


@lru_cache(maxsize=16)
def _prefixes(length: int, first: int, index_bytes: int, count: int) -> list[bytes]:
    """What stands before the values of plain records of one length and one timestamp."""
    head = _HEADS[index_bytes - 1][length] + b"\0"
    tail = _TAILS[length]
    return [head + _VARINTS[index] + tail for index in range(first, first + count)]


def records(
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None],
    headers: Mapping[int, Sequence[RecordHeader]],
    deltas: Sequence[int],
) -> bytes:
    """Records of any kind.

    Args:
        keys: one for each value, or none at all.
        headers: by index in the batch, of the records that have some.
    """
    kept = _VARINTS
    parts: list[bytes] = []
    columns = zip(values, keys or repeat(None), deltas, strict=False)
    for index, (value, key, delta) in enumerate(columns):
        of_record = headers.get(index)
        record = b"".join(
            (
                b"\0",
                kept[delta],
                kept[index],
                *((_NULL,) if key is None else (kept[len(key)], key)),
                *((_NULL,) if value is None else (kept[len(value)], value)),
                _encoded_headers(of_record) if of_record else b"\0",
            )
        )
        parts += (kept[len(record)], record)
    return b"".join(parts)


def _encoded_headers(headers: Sequence[RecordHeader]) -> bytes:
    parts = [varint(len(headers))]
    for name, content in headers:
        encoded = name.encode()
        parts += (varint(len(encoded)), encoded)
        parts += (_NULL,) if content is None else (varint(len(content)), content)
    return b"".join(parts)
