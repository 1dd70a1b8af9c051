"""Requests drawn from the message schemas: any API and version, in the shapes that cost most.

    drawn(seed, number, offered)    the same bytes for the same three, whatever came before

Nothing here knows an API: a message that is declared is attacked, whoever adds it and whenever.
A request is written straight from its construct tree. Its lists are a few drawn elements, repeated
as bytes up to a drawn size, so that a megabyte costs the one who sends it next to nothing.
What is left out, so that an attack stays one: waits of minutes (they would hide what hangs), and
whole-broker configs (setting max.connections=1 is the operator's right).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from construct import Construct
from minibroker.protocol.apis import APIS, Api, request_type
from minibroker.protocol.codec.schema import wire_at
from minibroker.protocol.codec.source import fixed_format, unnamed
from minibroker.protocol.codec.wire import (
    Absent,
    Array,
    Lengthed,
    Optional,
    RecordBytes,
    Tags,
    Text,
    TypedStruct,
)
from minibroker.protocol.header import RequestHeader, encode_request_header
from minibroker.protocol.varint import uvarint

from tests.hostile.peer import batch

TOPICS = ("drawn-0", "drawn-1", "drawn-wide", "drawn-new", "drawn-newer", "__consumer_offsets")
NAMES = (*TOPICS, "drawn-group", "drawn-group-too", "consumer", "range", "retention.ms", "")
LONG_TEXTS = ("l" * 249, "l" * 250, "ü" * 3_000, "l" * 32_000, "l" * 32_767)
SHORT_WAITS = (0, 1, 100, 500)
SESSION_MS = 6_000  # less is refused
SIZES = (1_000, 10_000, 60_000, 250_000, 1_000_000)
ELEMENTS_DRAWN = 3
DISTINCT_MAX = 3_000
DEPTH_MAX = 8
OPERATORS = ("AlterConfigs", "IncrementalAlterConfigs")
Offered = Mapping[int, tuple[int, int]]


class Drawn(NamedTuple):
    """One request.

    Args:
        frame: with its size; `name` says what it is.
    """

    name: str
    frame: bytes


@dataclass(frozen=True, slots=True)
class Shape:
    """How a request is drawn.

    Args:
        fill_depth: the depth of nested lists at which elements are repeated until `size` is full.
        long_texts: one text in how many is a long one; 0: none.
        bounds: whether numbers are at their bounds.
        distinct: whether every repeated element gets a name of its own.
    """

    size: int
    fill_depth: int
    long_texts: int
    bounds: bool
    distinct: bool


def drawn(seed: int, number: int, offered: Offered, size_max: int = SIZES[-1]) -> Drawn:
    """The `number`-th request of a seed, of those that are offered."""
    rng = Random(f"{seed}/{number}")
    keys = sorted(set(APIS) & set(offered))
    api = APIS[rng.choice(keys)]
    first = max(api.versions[0], offered[api.key][0])
    version = rng.randint(first, max(first, min(api.versions[1], offered[api.key][1])))
    sizes = [each for each in SIZES if each <= size_max]
    shape = Shape(
        # Where powers of two are bounds of buffers, one more or less may meet other code.
        size=rng.choice([*sizes, (1 << rng.randint(5, 16)) + rng.randint(-1, 1)]),
        fill_depth=rng.choice((0, 0, 1, 1, 2, DEPTH_MAX)),
        long_texts=rng.choice((0, 0, 0, 1, 5)),
        bounds=rng.random() < 0.2,
        distinct=rng.random() < 0.4,
    )
    return request_of(rng, api, version, shape, number)


def long_texts(seed: int, number: int, offered: Offered) -> Drawn:
    """The `number`-th of all APIs and versions in turn, all its texts too long to be quoted."""
    every = [
        (APIS[key], version)
        for key in sorted(set(APIS) & set(offered))
        for version in range(
            max(APIS[key].versions[0], offered[key][0]),
            min(APIS[key].versions[1], offered[key][1]) + 1,
        )
    ]
    shape = Shape(size=300, fill_depth=0, long_texts=1, bounds=False, distinct=False)
    return request_of(Random(f"{seed}/{number}"), *every[number % len(every)], shape, number)


def request_of(rng: Random, api: Api, version: int, shape: Shape, number: int) -> Drawn:
    body = _Writer(rng, shape, api.name).write(wire_at(request_type(api.key), version))
    client_id = rng.choice(("drawn", "", "c" * 30_000)) if shape.long_texts else "drawn"
    head = encode_request_header(RequestHeader(api.key, version, number & 0x7FFFFFFF, client_id))
    name = f"{api.name} v{version}, {len(body):,} bytes"
    return Drawn(name, struct.pack(">i", len(head) + len(body)) + head + body)


class _Writer:
    """Writes one body."""

    def __init__(self, rng: Random, shape: Shape, api: str) -> None:
        self._rng = rng
        self._shape = shape
        self._api = api
        self._count = 0

    def write(self, node: Construct, name: str = "", depth: int = 0, room: int = 0) -> bytes:
        """Bytes for a node; `room`: what its lists may take."""
        room = room or self._shape.size
        formats = fixed_format(node)
        if formats is not None:
            return self._number(formats, name)
        if isinstance(node, Absent):
            return b""
        if isinstance(node, TypedStruct):
            return self._struct(node, depth, room)
        if isinstance(node, Optional):
            return (
                b"\xff"
                if self._rng.random() < 0.3
                else b"\1" + self.write(node.present, name, depth, room)
            )
        assert isinstance(node, Lengthed), node
        if node.nullable and self._rng.random() < 0.1 and not self._is_dangerous(name):
            return _length(node, -1)
        if isinstance(node, Array):
            return self._array(node, name, depth, room)
        payload = self._payload(node, name, room)
        return _length(node, len(payload)) + payload

    def _struct(self, node: TypedStruct, depth: int, room: int) -> bytes:
        parts = []
        lists = sum(isinstance(unnamed(each), Array) for each in node.subcons) or 1
        for member in node.subcons:
            inner = unnamed(member)
            if isinstance(inner, Tags):
                parts.append(self._tags(inner, depth, room))
            else:
                parts.append(self.write(inner, member.name, depth, max(1, room // lists)))
        return b"".join(parts)

    def _tags(self, node: Tags, depth: int, room: int) -> bytes:
        """Known tagged fields one time in four, an unknown one now and then, mostly none."""
        present = []
        for tag, (field, _) in node.fields.items():
            if self._rng.random() < 0.25:
                present.append((tag, self.write(unnamed(field), field.name, depth, room)))
        if self._rng.random() < 0.02:
            present.append((10_000, bytes(self._rng.choice((0, 1, 1_000)))))
        return uvarint(len(present)) + b"".join(
            uvarint(tag) + uvarint(len(payload)) + payload for tag, payload in present
        )

    def _array(self, node: Array, name: str, depth: int, room: int) -> bytes:
        """A few elements, or as many as there is room for."""
        fills = depth >= self._shape.fill_depth
        deeper = room if not fills else min(room, 400)
        few = self._rng.randint(0 if depth else 1, ELEMENTS_DRAWN)
        elements = [
            self.write(unnamed(node.element), name, depth + 1, max(1, deeper // ELEMENTS_DRAWN))
            for _ in range(max(1, few))
        ]
        if not fills:
            elements = elements[: max(few, 1)]
            return _length(node, len(elements)) + b"".join(elements)
        once = b"".join(elements)
        times = max(1, room // max(1, len(once)))
        if self._shape.distinct and times > 1:
            many: list[bytes] = []
            left = room
            while left > 0 and len(many) < DISTINCT_MAX:
                many.append(self.write(unnamed(node.element), name, depth + 1, min(room, 200)))
                left -= len(many[-1])
            return _length(node, len(many)) + b"".join(many)
        return _length(node, times * len(elements)) + once * times

    def _payload(self, node: Lengthed, name: str, room: int) -> bytes:
        if isinstance(node, RecordBytes):
            return self._records(room)
        if isinstance(node, Text):
            return self._text(name).encode()
        return bytes(self._rng.choice((0, 10, 100, min(room, 100_000))))

    def _text(self, name: str) -> str:
        if self._api in OPERATORS and name == "resource_name":
            return self._rng.choice(TOPICS)
        if self._shape.long_texts and self._rng.randrange(self._shape.long_texts) == 0:
            return self._rng.choice(LONG_TEXTS)
        if name == "member_id":
            return ""
        if self._shape.distinct:
            self._count += 1
            return f"drawn-{self._rng.randrange(10)}-{self._count}"
        return self._rng.choice(NAMES)

    def _records(self, room: int) -> bytes:
        match self._rng.randrange(5):
            case 0:
                return b""
            case 1:
                return self._rng.randbytes(min(room, 200))
            case 2:
                whole = batch(size=10)
                return whole[: self._rng.randrange(len(whole))]
            case 3:
                ids = {"producer_id": self._rng.randrange(10**9), "producer_epoch": 0}
                return batch(size=10, base_sequence=0, **ids)
            case _:
                return batch(self._rng.randint(1, 50), min(room, 10_000) // 50 + 1)

    def _number(self, formats: str, name: str) -> bytes:
        if formats == "?":
            return bytes([self._rng.getrandbits(1)])
        if formats == "16s":
            return self._rng.choice((bytes(16), self._rng.randbytes(16)))
        size = struct.calcsize(">" + formats)
        value = self._value(name, 256**size // 2)
        return struct.pack(">" + formats.lower(), value)

    def _value(self, name: str, half: int) -> int:
        if "session_timeout" in name:
            return SESSION_MS
        if "timeout" in name or "wait" in name:
            return self._rng.choice(SHORT_WAITS)
        if name == "resource_type":
            return self._rng.choice((2, 2, 2, 3) if self._api in OPERATORS else (2, 2, 4, 0))
        if name == "acks":
            return self._rng.choice((-1, -1, 1, 0))
        if name == "num_partitions":
            return self._rng.choice((-1, 0, 1, 3, 10_000, half - 1))
        if self._shape.bounds:
            return self._rng.choice((0, -1, half - 1, -half))
        return self._rng.choice((0, 0, 0, 1, -1, 2, 5, 100))

    def _is_dangerous(self, name: str) -> bool:
        """Whether null would mean "all of them" to a request that deletes."""
        return self._api.startswith("Delete")


def _length(node: Lengthed, count: int) -> bytes:
    if node.compact:
        return uvarint(count + 1)
    size = struct.calcsize(">" + str(fixed_format(node.length)))
    return count.to_bytes(size, "big", signed=True)
