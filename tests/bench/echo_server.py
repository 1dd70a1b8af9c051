"""EDGE: the limit of asyncio here: reads a frame, answers 60 bytes, looks at nothing.

`python -m tests.bench.echo_server` prints its port. What a broker in this language could reach at
best is what this reaches.
"""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop
from minibroker.protocol.framing import FrameBuffer

ANSWER = b"\x00\x00\x00\x38" + bytes(56)
FRAME_BYTES_MAX = 2**30


class Echo(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self) -> None:
        self._frames = FrameBuffer(FRAME_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio calls this once."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Asyncio asks where to put the next bytes."""
        return self._frames.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Asyncio says that so many bytes have come."""
        answers = len(self._frames.received(nbytes))
        if answers:
            self._transport.write(ANSWER * answers)


async def serve() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
