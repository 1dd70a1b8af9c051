"""kafka-python, aiokafka and confluent-kafka consume in a group, commit, and go on after a kill."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import aiokafka
import confluent_kafka
import pytest

with warnings.catch_warnings():  # kafka-python reads its schemas by a deprecated function
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka

from tests.support.processes.broker import ForkedBroker
from tests.support.processes.clients import LEAVES_SOCKETS

pytestmark = LEAVES_SOCKETS
TOPIC = "t"
PARTITIONS = 3
COUNT = 1000
BOUND_S = 30.0
Place = tuple[int, int]
"""Partition and offset of a record."""


class Consume(Protocol):
    """Join a group, read `count` records, commit what was read, leave."""

    def __call__(self, bootstrap_servers: str, group: str, count: int) -> list[Place]: ...


def consume_confluent(bootstrap_servers: str, group: str, count: int) -> list[Place]:
    """confluent_kafka.Consumer."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe([TOPIC])
    found: list[Place] = []
    deadline = time.monotonic() + BOUND_S
    while len(found) < count and time.monotonic() < deadline:
        for each in consumer.consume(count - len(found), 0.5):
            partition, offset = each.partition(), each.offset()
            if each.error() is None and partition is not None and offset is not None:
                found.append((partition, offset))
    consumer.commit(asynchronous=False)
    consumer.close()
    return found


def consume_kafka_python(bootstrap_servers: str, group: str, count: int) -> list[Place]:
    """kafka.KafkaConsumer."""
    consumer = kafka.KafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    found: list[Place] = []
    deadline = time.monotonic() + BOUND_S
    while len(found) < count and time.monotonic() < deadline:
        polled = consumer.poll(timeout_ms=500, max_records=count - len(found))
        found += [(each.partition, each.offset) for records in polled.values() for each in records]
    consumer.commit()
    consumer.close()
    return found


def consume_aiokafka(bootstrap_servers: str, group: str, count: int) -> list[Place]:
    """aiokafka.AIOKafkaConsumer."""

    async def consume() -> list[Place]:
        consumer = aiokafka.AIOKafkaConsumer(
            TOPIC,
            bootstrap_servers=bootstrap_servers,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        found: list[Place] = []
        try:
            async with asyncio.timeout(BOUND_S):
                while len(found) < count:
                    polled = await consumer.getmany(timeout_ms=500, max_records=count - len(found))
                    for records in polled.values():
                        found += [(each.partition, each.offset) for each in records]
            await consumer.commit()
        finally:
            await consumer.stop()
        return found

    return asyncio.run(consume())


CONSUMERS: dict[str, Consume] = {
    "confluent-kafka": consume_confluent,
    "kafka-python": consume_kafka_python,
    "aiokafka": consume_aiokafka,
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedBroker]:
    data_dir: Path = tmp_path_factory.mktemp("broker") / "data"
    settings = {"num.partitions": str(PARTITIONS)}
    with ForkedBroker(data_dir=data_dir, settings=settings) as running:
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": running.bootstrap_servers, "log_level": 0}
        )
        for number in range(2 * COUNT):
            producer.produce(TOPIC, str(number).encode(), partition=number % PARTITIONS)
        assert producer.flush(BOUND_S) == 0
        del producer
        yield running


@pytest.mark.parametrize("client", CONSUMERS)
def test_a_group_goes_on_where_it_has_committed_before_the_kill(
    broker: ForkedBroker, client: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        first = CONSUMERS[client](broker.bootstrap_servers, client, COUNT)
        broker.kill()
        broker.start()
        second = CONSUMERS[client](broker.bootstrap_servers, client, COUNT)
    assert (len(first), len(second)) == (COUNT, COUNT)
    places = sorted(first + second)
    share = 2 * COUNT // PARTITIONS
    assert len(set(places)) == 2 * COUNT
    assert {partition for partition, _ in places} == set(range(PARTITIONS))
    assert max(offset for _, offset in places) == share
