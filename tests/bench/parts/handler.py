"""EDGE: our broker without sockets: frames into a connection object, answers into a null transport.

What is measured is Python and the file system, so the figures stay comparable where networks and
neighbours are noisy. `profile` shows where the time of one Produce goes.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any, cast

from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.sources import Layer, load
from minibroker.broker.connections.client_session import ClientSession
from minibroker.broker.runtime import Runtime
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.codec.compiler import encoder
from minibroker.protocol.framing import frame
from minibroker.protocol.header import RequestHeader, encode_request_header
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.bench.loads import TOPIC, Load

VERSION = 7  # of Produce, as the generator's
FRAMES = 64  # given to the connection at once
REPEATS = 7
BYTES_A_REPEAT = 8_000_000
PROFILED = 20_000
PROFILE_LINES = 25


class NullTransport:
    """Takes whatever is written."""

    def __init__(self) -> None:
        self.is_reading = True

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        """As asyncio's."""

    def get_extra_info(self, name: str) -> tuple[str, int]:
        """As asyncio's: an address."""
        return ("127.0.0.1", 0)

    def write(self, data: bytes) -> None:
        """As asyncio's."""

    def writelines(self, parts: Sequence[bytes]) -> None:
        """As asyncio's."""

    def get_write_buffer_size(self) -> int:
        """As asyncio's: nothing waits."""
        return 0

    def pause_reading(self) -> None:
        """As asyncio's."""
        self.is_reading = False

    def resume_reading(self) -> None:
        """As asyncio's."""
        self.is_reading = True

    def is_closing(self) -> bool:
        """As asyncio's: it stays."""
        return False

    def close(self) -> None:
        """As asyncio's."""

    abort = close


def handler_microseconds(load: Load, durability: str) -> float:
    """The broker's own time for one Produce, in µs: the best of REPEATS."""
    return asyncio.run(_best(load, durability))


def produce_frame(load: Load, topic: str) -> bytes:
    """A whole Produce request of a load, with its size."""
    now_ms = time.time_ns() // 1_000_000
    batch = build_batch([(None, b"x" * load.record_bytes, (), now_ms)] * load.records)
    part = PartitionProduceData(index=0, records=batch)
    data = [TopicProduceData(name=topic, partition_data=[part])]
    head = encode_request_header(RequestHeader(0, VERSION, 1, "bench"))
    message = ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=data)
    return b"".join(frame([head, *encoder(ProduceRequest, VERSION)(message)]))


def profile(load: Load) -> str:
    """The functions that PROFILED Produces spend most time in, as text."""
    return asyncio.run(_profiled(load))


async def _best(load: Load, durability: str) -> float:
    async with running_session(durability) as session:
        frames = produce_frame(load, TOPIC) * FRAMES
        turns = max(1, BYTES_A_REPEAT // (len(frames) * 4))
        await feed(session, frames)
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            for _ in range(turns):
                await feed(session, frames)
            best = min(best, (time.perf_counter() - began) / (turns * FRAMES))
        return best * 1e6


async def _profiled(load: Load) -> str:
    async with running_session("page-cache") as session:
        frames = produce_frame(load, TOPIC) * FRAMES
        await feed(session, frames)
        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(PROFILED // FRAMES):
            await feed(session, frames)
        profiler.disable()
    text = StringIO()
    stats = pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime")
    stats.print_stats(PROFILE_LINES)
    return text.getvalue()


@asynccontextmanager
async def running_session(durability: str) -> AsyncIterator[ClientSession]:
    """A broker, and a connection to it that leads nowhere."""
    with tempfile.TemporaryDirectory() as data:
        texts = {"listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": data}
        loaded = load([Layer("bench", {**texts, "durability": durability})])
        async with Runtime(loaded.config, loaded.listeners) as runtime:
            topic = runtime.broker.plan_topic(NewTopic(TOPIC))
            assert isinstance(topic, Topic)
            runtime.broker.create_topics([topic])
            session = runtime.server.connect(loaded.listeners[0], 0)
            session.connection_made(cast(Any, NullTransport()))
            yield session
            session.connection_lost(None)


async def feed(session: ClientSession, frames: bytes) -> None:
    """Let a connection receive whole frames, as fast as it reads."""
    transport = cast(Any, session._transport)
    rest = memoryview(frames)
    while rest:
        while not transport.is_reading:  # noqa: ASYNC110  its turn comes with the loop
            await asyncio.sleep(0)
        room = session.get_buffer(-1)
        count = min(len(room), len(rest))
        room[:count] = rest[:count]
        rest = rest[count:]
        session.buffer_updated(count)
