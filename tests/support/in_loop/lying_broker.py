"""EDGE: a broker that alters one field of one kind of answer: a relay that rewrites what passes.

    async with lying_broker() as liar:
        liar.lies["client"] = Lie(api_key=3, path=("brokers", "port"), told=2**31 - 1)
        Producer(liar.address, client_id="client")

Which fields there are comes from the schemas: lies_about(api) lists every field of every struct of
an answer, with what no honest broker would say there. Whom a lie is told is decided by client id,
so that many clients can be lied to at once, each in its own way.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from construct import Construct
from minibroker.protocol.apis import APIS, response_type
from minibroker.protocol.codec.compiler import decoder, encoder
from minibroker.protocol.codec.schema import wire_at
from minibroker.protocol.codec.source import fixed_format, unnamed
from minibroker.protocol.codec.wire import Absent, Array, Lengthed, Tags, Text, TypedStruct
from minibroker.protocol.framing import FrameBuffer
from minibroker.protocol.header import decode_request_header, decode_response_header
from minibroker.testing import TestBroker

FRAME_BYTES_MAX = 10_000_000
PRODUCE, API_VERSIONS = 0, 18
TWICE, NONE_LEFT = "every element twice", "no element"
LENGTHS = ("gone", "doubled")
TEXTS = ("", "..", "nobody\0knows", "x" * 300)
BLOBS = (b"", b"\0" * 7, b"\xff" * 61)


class Lie(NamedTuple):
    """One field of one answer, and what is said there.

    Attributes:
        path: names of fields from the message inwards; lists are walked through.
        told: the value, or for a list TWICE or NONE_LEFT.
        is_once: only the first such answer of a connection lies.
    """

    api_key: int
    path: tuple[str, ...]
    told: Any
    is_once: bool = False

    def __str__(self) -> str:
        told = repr(self.told) if len(repr(self.told)) < 20 else repr(self.told)[:17] + "..."
        return f"{APIS[self.api_key].name}.{'.'.join(self.path)}={told}"


def lies_about(api_key: int) -> Iterator[Lie]:
    """Every field of the newest version of an answer, with each thing that could be told there."""
    message, version = response_type(api_key), APIS[api_key].newest_spoken
    for path, told in _lies(wire_at(message, version), ()):
        yield Lie(api_key, path, told)


def _lies(node: Construct, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, Absent):
        return
    formats = fixed_format(node)
    if isinstance(node, TypedStruct):
        for member in node.subcons:
            inner = unnamed(member)
            if isinstance(inner, Tags):
                for field, _ in inner.fields.values():
                    yield from _lies(unnamed(field), (*path, field.name))
            else:
                yield from _lies(inner, (*path, member.name))
    elif formats == "?":
        yield path, True
        yield path, False
    elif formats == "16s":
        yield path, b"\7" * 16
    elif formats is not None:
        half = 256 ** node.sizeof() // 2
        yield from ((path, told) for told in (-1, 1, half - 1, -half))
    else:
        assert isinstance(node, Lengthed)
        if node.nullable:
            yield path, None
        if isinstance(node, Array):
            yield path, NONE_LEFT
            yield path, TWICE
            yield from _lies(node.element, path)
        else:
            yield from ((path, told) for told in (TEXTS if isinstance(node, Text) else BLOBS))


def tell(message: Any, path: tuple[str, ...], told: Any) -> None:
    """Alter a message in place, wherever the path leads."""
    name, *rest = path
    value = getattr(message, name)
    if rest:
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                tell(each, tuple(rest), told)
    elif isinstance(value, list) and value and not hasattr(value[0], "__slots__"):
        setattr(message, name, _altered(value, told))
    else:
        setattr(message, name, _altered(value, told))


def _altered(value: Any, told: Any) -> Any:
    if told is TWICE:
        return [*(value or ()), *(value or ())]
    if told is NONE_LEFT:
        return []
    if isinstance(value, list) and told is not None:
        return [told for _ in value]
    return told


class LyingBroker:
    """The relay.

    Attributes:
        lies: by client id.
        told: how many answers were altered, by client id.
    """

    def __init__(self) -> None:
        self.lies: dict[str, Lie] = {}
        self.told: dict[str, int] = {}
        self.address = ""
        self.broker_port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        there, back = await asyncio.open_connection("127.0.0.1", self.broker_port)
        asked: deque[tuple[int, int, str]] = deque()
        lied: set[Lie] = set()

        async def requests() -> None:
            async for frame in frames(reader):
                header, _ = decode_request_header(frame)
                asked.append((header.api_key, header.api_version, header.client_id or ""))
                back.write(struct.pack(">i", len(frame)) + frame)

        async def answers() -> None:
            async for frame in frames(there):
                altered = self._altered(frame, *asked.popleft(), lied)
                writer.write(struct.pack(">i", len(altered)) + altered)

        for work in (requests, answers):
            task = asyncio.create_task(self._until_closed(work(), writer, back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _until_closed(
        self, work: Any, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        try:
            await work
        except ConnectionError:
            return  # a client that has had enough
        finally:
            writer.close()
            back.close()

    def _altered(
        self, frame: memoryview, key: int, version: int, client_id: str, lied: set[Lie]
    ) -> bytes:
        lie = self.lies.get(client_id)
        if lie is None or lie.api_key != key or (lie.is_once and lie in lied):
            return bytes(frame)
        lied.add(lie)
        _, position = decode_response_header(frame, key, version)
        message, _ = decoder(response_type(key), version)(frame, position)
        tell(message, lie.path, lie.told)
        self.told[client_id] = self.told.get(client_id, 0) + 1
        return b"".join((frame[:position], *encoder(response_type(key), version)(message)))

    async def close(self) -> None:
        """End every relayed connection."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait({*self._tasks}, timeout=5)


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[memoryview]:
    """Whole frames, until the end."""
    buffer = FrameBuffer(FRAME_BYTES_MAX)
    while data := await reader.read(65_536):
        for frame in buffer.feed(data):
            yield frame


@asynccontextmanager
async def lying_broker() -> AsyncIterator[tuple[LyingBroker, TestBroker]]:
    """A relay and the honest broker behind it, which advertises the relay."""
    liar = LyingBroker()
    server = await asyncio.start_server(liar.connected, "127.0.0.1", 0)
    liar.address = "{}:{}".format(*server.sockets[0].getsockname())
    async with server:
        advertised = {"advertised.listeners": f"PLAINTEXT://{liar.address}"}
        async with TestBroker(settings=advertised) as broker:
            liar.broker_port = broker.runtime.bound[0].port
            try:
                yield liar, broker
            finally:
                await liar.close()
