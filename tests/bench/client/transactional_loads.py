"""EDGE: one client's transactions, one after the other, in a process of its own; prints JSON.

    python -m tests.bench.client.transactional_loads ours 127.0.0.1:9092 TOPIC 1 10 100

For so many seconds after a warm-up, with each of these numbers of records in a transaction; one
producer for all. Every client has its own defaults; a transaction counts from its begin to the end
of its commit.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from minibroker.client import Producer

VALUE = b"x" * 100
WARM_UPS = 0.3  # of the seconds that are measured
WAIT_S = 60.0
POLL_EVERY = 1_000
Transact = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def ours(server: str, topic: str) -> AsyncIterator[Transact]:
    """A loop of send in each."""
    async with Producer(server, transactional_id=_name()) as producer:

        async def transact(records: int) -> None:
            async with producer.transaction() as tx:
                for _ in range(records):
                    await tx.send(topic, VALUE)

        yield transact


@asynccontextmanager
async def ours_many(server: str, topic: str) -> AsyncIterator[Transact]:
    """One send_many in each."""
    async with Producer(server, transactional_id=_name()) as producer:

        async def transact(records: int) -> None:
            async with producer.transaction() as tx:
                await tx.send_many(topic, [VALUE] * records)

        yield transact


@asynccontextmanager
async def aiokafka(server: str, topic: str) -> AsyncIterator[Transact]:
    """A loop of send in each."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=server, transactional_id=_name())
    async with producer:

        async def transact(records: int) -> None:
            async with producer.transaction():
                for _ in range(records):
                    await producer.send(topic, VALUE)

        yield transact


@asynccontextmanager
async def confluent(server: str, topic: str) -> AsyncIterator[Transact]:
    """A loop of produce in each; its calls block, and nobody else is there to be blocked."""
    producer = _confluent(server)

    async def transact(records: int) -> None:
        producer.begin_transaction()
        for _ in range(records):
            producer.produce(topic, VALUE)
        producer.commit_transaction(WAIT_S)

    yield transact


@asynccontextmanager
async def confluent_told(server: str, topic: str) -> AsyncIterator[Transact]:
    """With on_delivery and poll: it tells what became of each record, as our send does."""
    producer = _confluent(server)
    offsets: list[int] = []

    def delivered(error: object, message: Any) -> None:
        assert error is None
        offsets.append(message.offset())

    async def transact(records: int) -> None:
        offsets.clear()
        producer.begin_transaction()
        for number in range(records):
            producer.produce(topic, VALUE, on_delivery=delivered)
            if number % POLL_EVERY == 0:
                producer.poll(0)
        producer.commit_transaction(WAIT_S)
        assert len(offsets) == records

    yield transact


def _confluent(server: str) -> Any:
    from confluent_kafka import Producer as Confluent

    producer = Confluent({"bootstrap.servers": server, "transactional.id": _name()})
    producer.init_transactions(WAIT_S)
    return producer


def _name() -> str:
    return f"bench-{uuid4().hex}"


LOADS = {
    "ours": ours,
    "ours, send_many": ours_many,
    "aiokafka": aiokafka,
    "confluent": confluent,
    "confluent, on_delivery": confluent_told,
}


async def rates(
    client: str, server: str, topic: str, seconds: float, sizes: Sequence[int]
) -> list[tuple[float, float]]:
    """For each number of records: transactions a second, and ms of this process's time in each."""
    found = []
    async with LOADS[client](server, topic) as transact:
        for size in sizes:
            await _repeat(transact, size, seconds * WARM_UPS)
            began, worked = time.perf_counter(), time.process_time()
            count = await _repeat(transact, size, seconds)
            worked_ms = (time.process_time() - worked) * 1000
            found.append((count / (time.perf_counter() - began), worked_ms / count))
    return found


async def _repeat(transact: Transact, size: int, seconds: float) -> int:
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        await transact(size)
        count += 1
    return count


def main() -> None:
    """Run one load."""
    client, server, topic, seconds, *sizes = sys.argv[1:]
    warnings.simplefilter("ignore")
    print(json.dumps(asyncio.run(rates(client, server, topic, float(seconds), [*map(int, sizes)]))))


if __name__ == "__main__":
    main()
