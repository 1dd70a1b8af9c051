"""EDGE: many raw producers at once, each with one Produce in flight, on one loop.

What is measured is group commit: how many acknowledgements share a flush, and how long each waits.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import cast

import uvloop
from minibroker.protocol.batch import build_batch
from minibroker.protocol.compiler import decoder, encoder
from minibroker.protocol.header import RequestHeader, encode_request_header
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)

VERSION = 5
RECORD_BYTES = 100
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Waited:
    """What a load came to: acknowledged requests a second, and how long they took."""

    per_s: float
    p50_ms: float
    p99_ms: float


def frame_for(topic: str, index: int) -> bytes:
    """A Produce request of one record, with its size."""
    now_ms = time.time_ns() // 1_000_000
    batch = build_batch([(None, b"x" * RECORD_BYTES, (), now_ms)])
    part = PartitionProduceData(index=index, records=batch)
    message = ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[TopicProduceData(name=topic, partition_data=[part])],
    )
    head = encode_request_header(RequestHeader(0, VERSION, 1, "bench"))
    body = b"".join((head, *encoder(ProduceRequest, VERSION)(message)))
    return len(body).to_bytes(4) + body


class Producer(asyncio.Protocol):
    """Sends its frames in turn, the next when the one before is acknowledged."""

    def __init__(self, frames: list[bytes], until: float) -> None:
        self.took: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._frames = frames
        self._until = until
        self._sent = 0
        self._sent_at = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """As asyncio's."""
        self._received += data
        if len(self._received) < 4 or len(self._received) < 4 + int.from_bytes(self._received[:4]):
            return
        now = time.perf_counter()
        self.took.append(now - self._sent_at)
        if now < self._until:
            self._received = b""
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """As asyncio's: the last answer is looked at."""
        if not self.done.done():
            response, _ = decoder(ProduceResponse, VERSION)(memoryview(self._received), 8)
            code = response.responses[0].partition_responses[0].error_code
            if code:
                self.done.set_exception(RuntimeError(f"the broker answered {code}"))
            else:
                self.done.set_result(None)

    def _send(self) -> None:
        self._transport.write(self._frames[self._sent % len(self._frames)])
        self._sent += 1
        self._sent_at = time.perf_counter()


def load(
    address: tuple[str, int], topic: str, producers: int, partitions: int, seconds: float
) -> Waited:
    """Let so many producers write to so many partitions; raises RuntimeError on a refusal."""
    return uvloop.run(_load(address, topic, producers, partitions, seconds))


async def _load(
    address: tuple[str, int], topic: str, producers: int, partitions: int, seconds: float
) -> Waited:
    frames = [frame_for(topic, index) for index in range(partitions)]
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    until = began + seconds

    def make(number: int) -> Producer:
        # Those who write together write to different partitions, as far as there are any.
        return Producer(frames[number % partitions :] + frames[: number % partitions], until)

    made = [
        await loop.create_connection(partial(make, number), *address) for number in range(producers)
    ]
    async with asyncio.timeout(seconds + TIMEOUT_S):
        await asyncio.gather(*(protocol.done for _, protocol in made))
    took = sorted(each for _, protocol in made for each in protocol.took)
    return Waited(
        len(took) / (time.perf_counter() - began),
        statistics.median(took) * 1000,
        took[int(len(took) * 0.99)] * 1000,
    )
