"""EDGE: a broker in the test's own event loop, and a raw connection to it.

For tests of the server's edge: they see single bytes, not what a client library makes of them.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from minibroker.broker.config.sources import Layer, load
from minibroker.broker.runtime import Runtime
from minibroker.broker.world import World
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.apis import response_type
from minibroker.protocol.codec.compiler import decoder, encoder
from minibroker.protocol.codec.schema import api_of
from minibroker.protocol.header import (
    RequestHeader,
    decode_response_header,
    encode_request_header,
)

WAIT_S = 5.0


@asynccontextmanager
async def running_broker(
    data_dir: Path | None = None,
    settings: Mapping[str, str] | None = None,
    world: World | None = None,
) -> AsyncIterator[Runtime]:
    """A broker on a free port; stopped cleanly at the end."""
    texts = {"listeners": "PLAINTEXT://127.0.0.1:0", **(settings or {})}
    if data_dir is not None:
        texts["log.dirs"] = str(data_dir)
    loaded = load([Layer("test", texts)])
    runtime = Runtime(loaded.config, loaded.listeners, world)
    async with runtime:
        yield runtime


async def connect(runtime: Runtime) -> Connection:
    """A client connection to a broker."""
    return await Connection.open("127.0.0.1", runtime.bound[0].port)


def request_frame(message: Any, version: int, correlation_id: int) -> bytes:
    """A whole request, with its size."""
    api = api_of(type(message))
    head = encode_request_header(RequestHeader(api.key, version, correlation_id, "test"))
    body = b"".join((head, *encoder(type(message), version)(message)))
    return struct.pack(">i", len(body)) + body


class RawConnection:
    """A socket that sends any bytes and reads whole frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, runtime: Runtime) -> RawConnection:
        """Connect to a broker's first listener."""
        return cls(*await asyncio.open_connection("127.0.0.1", runtime.bound[0].port))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def frame(self) -> bytes:
        """The next frame, without its size; IncompleteReadError when the broker hangs up."""
        async with asyncio.timeout(WAIT_S):
            (size,) = struct.unpack(">i", await self.reader.readexactly(4))
            return await self.reader.readexactly(size)

    async def response(self, api_key: int, version: int) -> tuple[int, Any]:
        """The next frame as (correlation id, response message)."""
        frame = memoryview(await self.frame())
        correlation_id, position = decode_response_header(frame, api_key, version)
        return correlation_id, decoder(response_type(api_key), version)(frame, position)[0]

    async def is_closed(self) -> bool:
        """Whether the broker closes the connection without another byte."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return
