"""A scripted Kafka for the proxy's tests: takes frames, answers what the script says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from struct import Struct
from types import TracebackType
from typing import Any

from minibroker.protocol.apis import APIS, request_type
from minibroker.protocol.codec.compiler import encoder
from minibroker.protocol.framing import FrameBuffer
from minibroker.protocol.header import RequestHeader, encode_request_header, response_header

BOUND_S = 5.0  # of every wait in these tests
HEARTBEAT = 12  # a key whose body nobody looks at: the proxy must pass it on as it came
_HEAD = Struct(">hhih")
_SIZE = Struct(">i")

Answer = Callable[[bytes], bytes | None]


def request(
    correlation_id: int, *, key: int = HEARTBEAT, version: int = 0, body: bytes = b""
) -> bytes:
    """A request frame with its size, with header v1 and client id "me"."""
    whole = _HEAD.pack(key, version, correlation_id, 2) + b"me" + body
    return _SIZE.pack(len(whole)) + whole


def request_of(message: Any, version: int, correlation_id: int) -> bytes:
    """A request frame with its size, from a request message."""
    api = APIS[next(k for k in APIS if request_type(k) is type(message))]
    header = encode_request_header(RequestHeader(api.key, version, correlation_id, "me"))
    whole = header + b"".join(encoder(type(message), version)(message))
    return _SIZE.pack(len(whole)) + whole


def answer_of(message: Any, key: int, version: int, correlation_id: int) -> bytes:
    """An answer frame without its size, from a response message."""
    body = b"".join(encoder(type(message), version)(message))
    return response_header(key, version, correlation_id) + body


def echo(frame: bytes) -> bytes:
    """Answer with the request's correlation id and its own bytes."""
    return frame[4:8] + frame


class Upstream:
    """Listens on a free port; keeps every frame it got, by connection."""

    def __init__(self, answer: Answer = echo, *, port: int = 0) -> None:
        self.answer = answer
        self.port = port
        self.received: list[bytes] = []
        self.connections = 0
        self.answers_sent = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        frames = FrameBuffer(2**26)
        try:
            while data := await reader.read(65536):
                for frame in frames.feed(data):
                    self.received.append(bytes(frame))
                    answer = self.answer(bytes(frame))
                    if answer is not None:
                        writer.write(_SIZE.pack(len(answer)) + answer)
                        await writer.drain()
                        self.answers_sent += 1
        except ConnectionError:
            pass
        finally:
            writer.close()


class Client:
    """A raw client; every read has a bound."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, address: str) -> Client:
        """Open a connection to HOST:PORT."""
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def send(self, *frames: bytes) -> None:
        """Send bytes, usually whole frames."""
        self._writer.write(b"".join(frames))

    async def read_answer(self) -> bytes:
        """The next frame, without its size."""
        async with asyncio.timeout(BOUND_S):
            (size,) = _SIZE.unpack(await self._reader.readexactly(_SIZE.size))
            return await self._reader.readexactly(size)

    async def read_to_end(self) -> bytes:
        """Everything up to the close of the connection."""
        async with asyncio.timeout(BOUND_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        try:
            async with asyncio.timeout(BOUND_S):
                await self._writer.wait_closed()
        except ConnectionError:
            pass
