"""EDGE: transactional producers of other Python clients, each of which commits, aborts, commits.

Each writes values "NAME-0" to "NAME-29" to one partition, in three transactions of ten: the first
and the last are committed, the one between them is aborted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

TIMEOUT_S = 60.0
TEN = 10
ABORTED = 1  # of the three


def values(name: str, number: int) -> list[bytes]:
    """What the transaction with this number, 0 to 2, writes."""
    return [f"{name}-{each}".encode() for each in range(number * TEN, (number + 1) * TEN)]


def committed(name: str) -> list[bytes]:
    """What a reader of committed records gets of a producer, in order."""
    return [*values(name, 0), *values(name, 2)]


async def confluent(bootstrap: str, topic: str, name: str) -> None:
    """confluent-kafka, that is librdkafka."""

    def produce() -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
        producer.init_transactions(TIMEOUT_S)
        for number in range(3):
            producer.begin_transaction()
            for value in values(name, number):
                producer.produce(topic, value, partition=0)
            if number == ABORTED:
                producer.flush(TIMEOUT_S)  # or the broker would never see them
                producer.abort_transaction(TIMEOUT_S)
            else:
                producer.commit_transaction(TIMEOUT_S)

    await asyncio.to_thread(produce)


async def kafka_python(bootstrap: str, topic: str, name: str) -> None:
    """kafka-python."""

    def produce() -> None:
        from kafka import KafkaProducer

        producer = KafkaProducer(
            bootstrap_servers=bootstrap, transactional_id=name, enable_idempotence=True
        )
        try:
            producer.init_transactions()
            for number in range(3):
                producer.begin_transaction()
                for value in values(name, number):
                    producer.send(topic, value, partition=0)
                producer.flush(TIMEOUT_S)
                if number == ABORTED:
                    producer.abort_transaction()
                else:
                    producer.commit_transaction()
        finally:
            producer.close(TIMEOUT_S)

    await asyncio.to_thread(produce)


async def aio(bootstrap: str, topic: str, name: str) -> None:
    """aiokafka."""
    from aiokafka import AIOKafkaProducer

    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name) as producer:
        for number in range(3):
            await producer.begin_transaction()
            for value in values(name, number):
                await producer.send(topic, value, partition=0)
            await producer.flush()
            if number == ABORTED:
                await producer.abort_transaction()
            else:
                await producer.commit_transaction()


FOREIGN: dict[str, Callable[[str, str, str], Coroutine[Any, Any, None]]] = {
    "confluent-kafka": confluent,
    "kafka-python": kafka_python,
    "aiokafka": aio,
}
