"""EDGE: one client's transactions, one after the other, in a process of its own; prints JSON.

    python -m tests.bench.client.transactional_loads ours 127.0.0.1:9092 TOPIC 100 2

So many records in each transaction, for so many seconds after a warm-up. Every client has its own
defaults; a transaction counts from its begin to the end of its commit.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from minibroker.client import Producer

VALUE = b"x" * 100
WARM_UP_S = 0.5
WAIT_S = 60.0
POLL_EVERY = 1_000
Transact = Callable[[], Awaitable[None]]


async def ours(server: str, topic: str, records: int, seconds: float) -> float:
    """A loop of send in each."""
    async with Producer(server, transactional_id=_name()) as producer:

        async def transact() -> None:
            async with producer.transaction() as tx:
                for _ in range(records):
                    await tx.send(topic, VALUE)

        return await _rate(transact, seconds)


async def ours_many(server: str, topic: str, records: int, seconds: float) -> float:
    """One send_many in each."""
    values = [VALUE] * records
    async with Producer(server, transactional_id=_name()) as producer:

        async def transact() -> None:
            async with producer.transaction() as tx:
                await tx.send_many(topic, values)

        return await _rate(transact, seconds)


async def aiokafka(server: str, topic: str, records: int, seconds: float) -> float:
    """A loop of send in each."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=server, transactional_id=_name())
    async with producer:

        async def transact() -> None:
            async with producer.transaction():
                for _ in range(records):
                    await producer.send(topic, VALUE)

        return await _rate(transact, seconds)


async def confluent(server: str, topic: str, records: int, seconds: float) -> float:
    """A loop of produce in each; its calls block, and nobody else is there to be blocked."""
    producer = _confluent(server)

    async def transact() -> None:
        producer.begin_transaction()
        for _ in range(records):
            producer.produce(topic, VALUE)
        producer.commit_transaction(WAIT_S)

    return await _rate(transact, seconds)


async def confluent_told(server: str, topic: str, records: int, seconds: float) -> float:
    """With on_delivery and poll: it tells what became of each record, as our send does."""
    producer = _confluent(server)
    offsets: list[int] = []

    def delivered(error: object, message: Any) -> None:
        assert error is None
        offsets.append(message.offset())

    async def transact() -> None:
        offsets.clear()
        producer.begin_transaction()
        for number in range(records):
            producer.produce(topic, VALUE, on_delivery=delivered)
            if number % POLL_EVERY == 0:
                producer.poll(0)
        producer.commit_transaction(WAIT_S)
        assert len(offsets) == records

    return await _rate(transact, seconds)


def _confluent(server: str) -> Any:
    from confluent_kafka import Producer as Confluent

    producer = Confluent({"bootstrap.servers": server, "transactional.id": _name()})
    producer.init_transactions(WAIT_S)
    return producer


async def _rate(transact: Transact, seconds: float) -> float:
    """Transactions a second."""
    await _repeat(transact, WARM_UP_S)
    began = time.perf_counter()
    count = await _repeat(transact, seconds)
    return count / (time.perf_counter() - began)


async def _repeat(transact: Transact, seconds: float) -> int:
    until, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        await transact()
        count += 1
    return count


def _name() -> str:
    return f"bench-{uuid4().hex}"


LOADS = {
    "ours": ours,
    "ours, send_many": ours_many,
    "aiokafka": aiokafka,
    "confluent": confluent,
    "confluent, on_delivery": confluent_told,
}


def main() -> None:
    """Run one load."""
    client, server, topic, records, seconds = sys.argv[1:]
    warnings.simplefilter("ignore")
    print(json.dumps(asyncio.run(LOADS[client](server, topic, int(records), float(seconds)))))


if __name__ == "__main__":
    main()
