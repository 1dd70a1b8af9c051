"""The bytes of a batch's records, from columns: values, keys, headers, timestamps.

A batch is encoded once, when it is sealed, so that the work is done by C loops over whole columns:
- Records with a value, no key and no headers are five columns of ready parts, joined at once. Where
  all values have one length and one timestamp, all but the value is known beforehand.
- Every other record is put together by itself.
Source: DefaultRecord.writeTo.   Read next: produce/batch.py.
Tests: tests/unit/client/produce/test_batch.py
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from ...protocol.varint import varint

_STEPS: Final = tuple(1 << bits for bits in range(6, 63, 7))  # a zig-zag varint grows by a byte
_KEPT: Final = 4_096
_UNIFORM_MIN: Final = 8  # records of one length that are worth a table
_NOTHING_BESIDE: Final = 3  # attributes, null key, no headers: a byte each


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
    record before.

    Args:
        beside: bytes that index and timestamp delta take together.
    """

    def __init__(self, beside: int) -> None:
        super().__init__()
        self._beside = _NOTHING_BESIDE + beside

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
_HEADS: Final = tuple(_Heads(beside) for beside in range(2 * len(_STEPS) + 1))
_TAILS: Final = _Tails()
_NULL: Final = varint(-1)


def plain_records(values: Sequence[bytes], deltas: Sequence[int]) -> bytes:
    """Records without keys and headers.

    Args:
        deltas: of the timestamps, ascending from 0.
    """
    parts: list[bytes] = []
    ends = {len(values)}
    if len(values) > _STEPS[0] or deltas[-1] >= _STEPS[0]:
        ends |= {*_STEPS, *(bisect_left(deltas, step) for step in _STEPS)}
    first = 0
    for end in sorted(ends):
        if first < end <= len(values):
            parts += _run(values[first:end], deltas[first:end], first)
            first = end
    parts.append(b"\0")
    parts[0] = parts[0][1:]  # it closes a record, and here is none before
    return b"".join(parts)


def _run(values: Sequence[bytes], deltas: Sequence[int], first: int) -> list[bytes]:
    """Records whose indices, and whose deltas, take the same number of bytes each."""
    count = len(values)
    lengths = [*map(len, values)]
    heads = _HEADS[len(_VARINTS[first]) + len(_VARINTS[deltas[0]])]
    if count >= _UNIFORM_MIN and lengths.count(lengths[0]) == count:
        head, room = heads[lengths[0]], 1 << (count - 1).bit_length()  # few tables for many counts
        by_delta = {delta: head + _VARINTS[delta] for delta in {*deltas}}
        parts = [b""] * (3 * count)
        parts[0::3] = map(by_delta.__getitem__, deltas)
        parts[1::3] = _indices(lengths[0], first, room)[:count]
        parts[2::3] = values
        return parts
    parts = [b""] * (5 * count)
    parts[0::5] = map(heads.__getitem__, lengths)
    parts[1::5] = map(_VARINTS.__getitem__, deltas)
    parts[2::5] = map(_VARINTS.__getitem__, range(first, first + count))
    parts[3::5] = map(_TAILS.__getitem__, lengths)
    parts[4::5] = values
    return parts


@lru_cache(maxsize=16)
def _indices(length: int, first: int, count: int) -> list[bytes]:
    """What stands between the timestamp deltas and the values of plain records of one length."""
    tail = _TAILS[length]
    return [_VARINTS[index] + tail for index in range(first, first + count)]


def records(
    values: Sequence[bytes | None],
    keys: Mapping[int, bytes],
    headers: Mapping[int, bytes],
    deltas: Sequence[int],
) -> bytes:
    """Records of any kind.

    Args:
        keys, headers: by index in the batch, of the records that have some; headers as
            encoded_headers() makes them.
    """
    kept = _VARINTS
    parts: list[bytes] = []
    for index, (value, delta) in enumerate(zip(values, deltas, strict=True)):
        key = keys.get(index)
        record = b"".join(
            (
                b"\0",
                kept[delta],
                kept[index],
                *((_NULL,) if key is None else (kept[len(key)], key)),
                *((_NULL,) if value is None else (kept[len(value)], value)),
                headers.get(index, b"\0"),
            )
        )
        parts += (kept[len(record)], record)
    return b"".join(parts)


def encoded_headers(headers: Sequence[tuple[bytes, bytes | None]]) -> bytes:
    """Headers as they stand in a record: their count, then (name in UTF-8, value) each."""
    parts = [varint(len(headers))]
    for name, content in headers:
        parts += (varint(len(name)), name)
        parts += (_NULL,) if content is None else (varint(len(content)), content)
    return b"".join(parts)
