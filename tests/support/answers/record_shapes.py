"""Uncompressed batches whose records are not as they should be: eighteen written out, more drawn.

A record is a list of its fields in bytes, so that any one of them can be replaced; the length in
front is made to fit afterwards, unless the shape is about that length. Every batch has a header
that is right (count, offsets, CRC): what is wrong is inside, where a consumer would stumble.
Source: DefaultRecord.java.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from crc32c import crc32c
from minibroker.protocol.batch.header import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    LENGTH_MIN,
    MAGIC,
    read_header,
)

HOUR_MS = 3_600_000
RECORDS = 3
NUMBERS = ("timestamp_delta", "offset_delta", "key_length", "value_length", "header_count")
HEADER_NUMBERS = ("header_key_length", "header_value_length")


class Shape(NamedTuple):
    """One batch, and what is odd about it."""

    name: str
    batch: bytes


def varint(number: int, size: int = 0) -> bytes:
    """`number` in zig-zag form, in `size` bytes if that is more than it needs."""
    zigzag = (number << 1) ^ (number >> 63)
    out = bytearray()
    while zigzag >= 0x80 or len(out) + 1 < size:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


Fields = dict[str, bytes]


def fields(
    offset_delta: int,
    *,
    key: bytes = b"key",
    value: bytes = b"value",
    timestamp_delta: int = 0,
    with_header: bool = False,
) -> Fields:
    """A good record, field by field; its length is not among them."""
    record = {
        "attributes": b"\0",
        "timestamp_delta": varint(timestamp_delta),
        "offset_delta": varint(offset_delta),
        "key_length": varint(len(key)),
        "key": key,
        "value_length": varint(len(value)),
        "value": value,
        "header_count": varint(int(with_header)),
    }
    if with_header:
        record |= {
            "header_key_length": varint(1),
            "header_key": b"h",
            "header_value_length": varint(2),
            "header_value": b"hv",
        }
    return record


def record_bytes(record: Fields, length: bytes | None = None) -> bytes:
    """The record with a length that fits, or with the one given."""
    body = b"".join(record.values())
    return (varint(len(body)) if length is None else length) + body


def batch_of(
    body: bytes, now_ms: int, count: int = RECORDS, *, max_timestamp: int | None = None
) -> bytes:
    """A batch of `count` records around these bytes, with a CRC that is right."""
    header = {
        "base_offset": 0,
        "batch_length": LENGTH_MIN + len(body),
        "partition_leader_epoch": -1,
        "magic": MAGIC,
        "crc": 0,
        "attributes": 0,
        "last_offset_delta": count - 1,
        "base_timestamp": now_ms,
        "max_timestamp": now_ms if max_timestamp is None else max_timestamp,
        "producer_id": -1,
        "producer_epoch": -1,
        "base_sequence": -1,
        "records_count": count,
    }
    header["crc"] = crc32c(bytes(BATCH_HEADER.build(header))[ATTRIBUTES_AT:] + body)
    batch = bytes(BATCH_HEADER.build(header)) + body
    assert read_header(batch).size_bytes == len(batch)
    return batch


def _second(change: Callable[[Fields], Fields], *, with_header: bool = False) -> bytes:
    """Three records, the one in the middle changed."""
    records = [fields(number, with_header=with_header) for number in range(RECORDS)]
    records[1] = change(records[1])
    return b"".join(map(record_bytes, records))


def _with(**changed: bytes) -> Callable[[Fields], Fields]:
    return lambda record: {**record, **changed}


def _without(name: str) -> Callable[[Fields], Fields]:
    return lambda record: {key: value for key, value in record.items() if key != name}


def _second_length(length: bytes) -> bytes:
    first, second, third = (fields(number) for number in range(RECORDS))
    return record_bytes(first) + record_bytes(second, length) + record_bytes(third)


def malformed(now_ms: int) -> list[Shape]:
    """Eighteen shapes that no consumer gets past."""
    size = len(record_bytes(fields(1))) - 1
    bodies = {
        "a key that ends behind its record": _second(_with(key_length=varint(30))),
        "a value that ends behind its record": _second(_with(value_length=varint(30))),
        "a value that ends behind the batch": _second(_with(value_length=varint(2**30))),
        "a header key that ends behind its record": _second(
            _with(header_key_length=varint(30)), with_header=True
        ),
        "a header value that ends behind its record": _second(
            _with(header_value_length=varint(30)), with_header=True
        ),
        "one header more than there are": _second(_with(header_count=varint(2)), with_header=True),
        "one header fewer than there are": _second(_with(header_count=varint(0)), with_header=True),
        "no header count": _second(_without("header_count")),
        "a negative header count": _second(_with(header_count=varint(-1))),
        "a header without a key": _second(
            _with(header_key_length=varint(-1), header_key=b""), with_header=True
        ),
        "a stray byte behind the headers": _second(_with(stray=b"\0")),
        "a stray byte before the key": _second(_with(offset_delta=varint(1) + b"\0")),
        "a timestamp delta of eleven bytes": _second(_with(timestamp_delta=varint(0, 11))),
        "an offset delta of six bytes": _second(_with(offset_delta=varint(1, 6))),
        "a key length of six bytes": _second(_with(key_length=varint(3, 6))),
        "a value length of six bytes": _second(_with(value_length=varint(5, 6))),
        "a record one byte shorter than it says": _second_length(varint(size + 1)),
        "a record one byte longer than it says": _second_length(varint(size - 1)),
    }
    return [Shape(name, batch_of(body, now_ms)) for name, body in bodies.items()]


def drawn(now_ms: int, count: int, seed: int) -> Iterator[Shape]:
    """`count` shapes more, each with one field of one record spoilt or written unusually."""
    rng = Random(seed)
    for number in range(count):
        with_header = rng.random() < 0.5
        records = [
            fields(
                index,
                key=b"k" * rng.randrange(4),
                value=b"v" * rng.choice((0, 5, 70)),
                timestamp_delta=rng.randrange(-300, 1),
                with_header=with_header,
            )
            for index in range(RECORDS)
        ]
        at = rng.randrange(RECORDS)
        numbers = (*NUMBERS, *HEADER_NUMBERS) if with_header else NUMBERS
        name, said = rng.choice((*numbers, "attributes", "length")), ""
        length = None
        if name == "length":
            length, said = _odd_number(rng, len(b"".join(records[at].values())))
        elif name == "attributes":
            records[at][name] = bytes([rng.randrange(1, 256)])
            said = records[at][name].hex()
        else:
            records[at][name], said = _odd_number(rng, _number(records[at][name]))
        if rng.random() < 0.3 and length is None:  # its length as it was
            length = varint(len(b"".join(records[at].values())) + rng.choice((-1, 0, 0, 1)))
        body = b"".join(
            record_bytes(record, length if index == at else None)
            for index, record in enumerate(records)
        )
        yield Shape(f"#{number}: {name} of record {at} {said}", batch_of(body, now_ms))


def _odd_number(rng: Random, number: int) -> tuple[bytes, str]:
    """A number changed, or the same in other bytes; and which."""
    match rng.randrange(6):
        case 0:
            changed = number + rng.choice((-3, -2, -1, 1, 2, 3))
            return varint(changed), f"is {changed}"
        case 1:
            changed = rng.choice((-(2**31), -100, -2, -1, 2**20, 2**31 - 1))
            return varint(changed), f"is {changed}"
        case 2:
            size = rng.choice((2, 3, 4, 5))
            return varint(number, size), f"takes {size} bytes"
        case 3:
            size = rng.choice((6, 7, 9, 10, 11))
            return varint(number, size), f"takes {size} bytes"
        case 4:
            return varint(number)[:-1], "is cut by a byte"
        case _:
            return varint(number, 5)[:-1] + b"\x70", "has more than 32 bits"


def _number(encoded: bytes) -> int:
    zigzag = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(encoded))
    return (zigzag >> 1) ^ -(zigzag & 1)
