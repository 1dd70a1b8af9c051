"""EDGE: transactional ids at the end of their epochs: 32765 requests each, as cheaply as can be."""

from __future__ import annotations

import asyncio
import struct

from minibroker.protocol.apis import response_type
from minibroker.protocol.codec.compiler import decoder
from minibroker.protocol.header import decode_response_header
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

from tests.support.in_loop.runtime import request_frame
from tests.support.transactions.producer import Producer
from tests.support.transactions.stage import Stage

VERSION, API_KEY = 5, 22
AT_A_TIME = 1000
WAIT_S = 300.0


async def producer_at(stage: Stage, epoch: int, *, tv: int = 1) -> Producer:
    """A new transactional id at this epoch, Empty."""
    a = await stage.ready(tv=tv)
    if stage.peer.raise_epoch is not None:
        stage.peer.raise_epoch(a.name, epoch)
    else:
        async with asyncio.timeout(WAIT_S):
            await _raise(stage, a, epoch)
    return a


async def _raise(stage: Stage, a: Producer, epoch: int) -> None:
    """The same frame again and again; the broker answers a connection's in their order."""
    request = InitProducerIdRequest(transactional_id=a.name, transaction_timeout_ms=a.timeout_ms)
    frame = request_frame(request, VERSION, 1)
    reader, writer = await asyncio.open_connection(stage.peer.host, stage.peer.port)
    try:
        while (left := epoch - a.epoch) > 0:
            count = min(left, AT_A_TIME)
            writer.write(frame * count)
            for _ in range(count):
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                answer = memoryview(await reader.readexactly(size))
            _, position = decode_response_header(answer, API_KEY, VERSION)
            message, _ = decoder(response_type(API_KEY), VERSION)(answer, position)
            assert a.granted(message).startswith("0 p "), message
    finally:
        writer.close()
        await writer.wait_closed()
