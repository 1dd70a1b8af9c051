"""EDGE: one client under one load in a process of its own; prints what it reached as JSON.

    python -m tests.bench.client.loads ours send 127.0.0.1:9092 TOPIC 100

A load counts from the first record handed over to the last receipt seen. Every client has its own
defaults, idempotence, and room for all records. Mixed lengths are half to one and a half times
the size given.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from minibroker.client import Consumer, Producer, TopicPartition

RECORDS = {100: 200_000, 1_000: 50_000}
SLOW = 8  # kafka-python and AIOProducer get so many times fewer
WAITS = 400
FLUSH_S = 60.0
POLL_EVERY = 1_000
BATCH = 1_000  # of confluent's produce_batch
Figures = dict[str, float]


def values_of(size: int, *, mixed: bool) -> list[bytes]:
    """What is sent."""
    dice = random.Random(1)
    count = RECORDS[size]
    if not mixed:
        return [b"x" * size] * count
    return [b"x" * dice.randint(size // 2, size * 3 // 2) for _ in range(count)]


def rate(count: int, began: float) -> Figures:
    """Records a second since then."""
    return {"rate": count / (time.perf_counter() - began)}


def latency(waits: list[float]) -> Figures:
    """Of single records, in ms."""
    waits.sort()
    return {
        "p50": waits[len(waits) // 2] * 1000,
        "p99": waits[len(waits) * 99 // 100] * 1000,
    }


async def ours_send(server: str, topic: str, size: int) -> Figures:
    """A loop of send, then every delivery."""
    values = values_of(size, mixed=False)
    async with Producer(server) as producer:
        await producer.send_and_wait(topic, values[0])
        began = time.perf_counter()
        deliveries = [await producer.send(topic, value) for value in values]
        for delivery in deliveries:
            await delivery
        return rate(len(values), began)


async def _ours_many(server: str, topic: str, values: Sequence[bytes]) -> Figures:
    async with Producer(server) as producer:
        await producer.send_and_wait(topic, values[0])
        began = time.perf_counter()
        receipts = await producer.send_many(topic, values)
        assert len(receipts) == len(values)
        return rate(len(values), began)


async def ours_many(server: str, topic: str, size: int) -> Figures:
    """One send_many of values of one length."""
    return await _ours_many(server, topic, values_of(size, mixed=False))


async def ours_mixed(server: str, topic: str, size: int) -> Figures:
    """One send_many of values of mixed length."""
    return await _ours_many(server, topic, values_of(size, mixed=True))


async def ours_wait(server: str, topic: str, size: int) -> Figures:
    """One record after the other."""
    async with Producer(server) as producer:
        value, waits = b"x" * size, []
        for _ in range(WAITS):
            began = time.perf_counter()
            await producer.send_and_wait(topic, value)
            waits.append(time.perf_counter() - began)
        return latency(waits[WAITS // 10 :])


async def ours_consume(server: str, topic: str, size: int) -> Figures:
    """getmany without a group."""
    count, place = 0, TopicPartition(topic, 0)
    async with Consumer(topic, bootstrap_servers=server, auto_offset_reset="earliest") as consumer:
        end = (await consumer.end_offsets([place]))[place]
        began = time.perf_counter()
        while count < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                count += len(records)
        return rate(count, began)


async def aiokafka_send(server: str, topic: str, size: int) -> Figures:
    """A loop of send, then every delivery."""
    from aiokafka import AIOKafkaProducer

    values = values_of(size, mixed=False)
    async with AIOKafkaProducer(bootstrap_servers=server, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, values[0])
        began = time.perf_counter()
        deliveries = [await producer.send(topic, value) for value in values]
        for delivery in deliveries:
            await delivery
        return rate(len(values), began)


async def aiokafka_wait(server: str, topic: str, size: int) -> Figures:
    """One record after the other."""
    from aiokafka import AIOKafkaProducer

    async with AIOKafkaProducer(bootstrap_servers=server, enable_idempotence=True) as producer:
        value, waits = b"x" * size, []
        for _ in range(WAITS):
            began = time.perf_counter()
            await producer.send_and_wait(topic, value)
            waits.append(time.perf_counter() - began)
        return latency(waits[WAITS // 10 :])


async def aiokafka_consume(server: str, topic: str, size: int) -> Figures:
    """getmany without a group."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka import TopicPartition as Place

    place, count = Place(topic, 0), 0
    consumer = AIOKafkaConsumer(bootstrap_servers=server, auto_offset_reset="earliest")
    consumer.assign([place])
    async with consumer:
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        began = time.perf_counter()
        while count < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                count += len(records)
        return rate(count, began)


def kafka_python_send(server: str, topic: str, size: int) -> Figures:
    """A loop of send, then every future."""
    from kafka import KafkaProducer

    values = values_of(size, mixed=False)[: RECORDS[size] // SLOW]
    producer = KafkaProducer(bootstrap_servers=server, enable_idempotence=True)
    producer.send(topic, values[0]).get(timeout=FLUSH_S)
    began = time.perf_counter()
    deliveries = [producer.send(topic, value) for value in values]
    for delivery in deliveries:
        delivery.get(timeout=FLUSH_S)
    reached = rate(len(values), began)
    producer.close()
    return reached


def kafka_python_wait(server: str, topic: str, size: int) -> Figures:
    """One record after the other."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=server, enable_idempotence=True)
    value, waits = b"x" * size, []
    for _ in range(WAITS):
        began = time.perf_counter()
        producer.send(topic, value).get(timeout=FLUSH_S)
        waits.append(time.perf_counter() - began)
    producer.close()
    return latency(waits[WAITS // 10 :])


def kafka_python_consume(server: str, topic: str, size: int) -> Figures:
    """Poll without a group."""
    from kafka import KafkaConsumer
    from kafka import TopicPartition as Place

    place, count = Place(topic, 0), 0
    consumer = KafkaConsumer(bootstrap_servers=server, auto_offset_reset="earliest")
    consumer.assign([place])
    end = min(consumer.end_offsets([place])[place], RECORDS[size] // 2)
    began = time.perf_counter()
    while count < end:
        for records in consumer.poll(timeout_ms=1_000).values():
            count += len(records)
    reached = rate(count, began)
    consumer.close()
    return reached


def confluent_options(server: str) -> dict[str, Any]:
    """Its defaults, and a queue that takes all records: nobody is to wait for room here."""
    room = {"queue.buffering.max.messages": 1_000_000}
    return {"bootstrap.servers": server, "enable.idempotence": True, **room}


def _confluent(server: str, topic: str, value: bytes) -> Any:
    from confluent_kafka import Producer as Confluent

    producer = Confluent(confluent_options(server))
    producer.produce(topic, value)
    producer.flush(FLUSH_S)
    return producer


def confluent_send(server: str, topic: str, size: int) -> Figures:
    """A loop of produce with on_delivery and poll."""
    values = values_of(size, mixed=False)
    producer = _confluent(server, topic, values[0])
    done: list[object] = []

    def delivered(error: object, message: Any) -> None:
        assert error is None
        done.append(message.offset())

    began = time.perf_counter()
    for number, value in enumerate(values):
        producer.produce(topic, value, on_delivery=delivered)
        if number % POLL_EVERY == 0:
            producer.poll(0)
    producer.flush(FLUSH_S)
    assert len(done) == len(values)
    return rate(len(values), began)


def confluent_plain(server: str, topic: str, size: int) -> Figures:
    """A loop of produce, and nobody who asks what became of the records."""
    values = values_of(size, mixed=False)
    producer = _confluent(server, topic, values[0])
    began = time.perf_counter()
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(FLUSH_S) == 0
    return rate(len(values), began)


def confluent_batch(server: str, topic: str, size: int) -> Figures:
    """produce_batch with on_delivery, a thousand at a time."""
    values = values_of(size, mixed=False)
    producer = _confluent(server, topic, values[0])
    done: list[object] = []

    def delivered(error: object, message: Any) -> None:
        assert error is None
        done.append(message.offset())

    began = time.perf_counter()
    for first in range(0, len(values), BATCH):
        messages = [{"value": value} for value in values[first : first + BATCH]]
        assert producer.produce_batch(topic, messages, on_delivery=delivered) == len(messages)
        producer.poll(0)
    producer.flush(FLUSH_S)
    assert len(done) == len(values)
    return rate(len(values), began)


async def confluent_aio(server: str, topic: str, size: int) -> Figures:
    """AIOProducer: a loop of produce, then every future."""
    from confluent_kafka.aio import AIOProducer

    values = values_of(size, mixed=False)[: RECORDS[size] // SLOW]
    producer = AIOProducer(confluent_options(server))
    first = await producer.produce(topic, values[0])
    await producer.flush()
    await first
    began = time.perf_counter()
    deliveries = [await producer.produce(topic, value) for value in values]
    await producer.flush()
    for delivery in deliveries:
        await delivery
    reached = rate(len(values), began)
    await producer.close()
    return reached


def confluent_consume(server: str, topic: str, size: int) -> Figures:
    """Consume a thousand at a time, without a group's work."""
    from confluent_kafka import Consumer as Confluent
    from confluent_kafka import TopicPartition as Place

    consumer = Confluent({"bootstrap.servers": server, "group.id": "bench"})
    place, count = Place(topic, 0, 0), 0
    consumer.assign([place])
    _, end = consumer.get_watermark_offsets(place, timeout=FLUSH_S)
    began = time.perf_counter()
    while count < end:
        count += len(consumer.consume(1_000, timeout=1.0))
    reached = rate(count, began)
    consumer.close()
    return reached


Load = Callable[[str, str, int], Figures | Coroutine[Any, Any, Figures]]
LOADS: dict[tuple[str, str], Load] = {
    ("ours", "send"): ours_send,
    ("ours", "send_many"): ours_many,
    ("ours", "send_many mixed"): ours_mixed,
    ("ours", "send_and_wait"): ours_wait,
    ("ours", "consume"): ours_consume,
    ("aiokafka", "send"): aiokafka_send,
    ("aiokafka", "send_and_wait"): aiokafka_wait,
    ("aiokafka", "consume"): aiokafka_consume,
    ("kafka-python", "send"): kafka_python_send,
    ("kafka-python", "send_and_wait"): kafka_python_wait,
    ("kafka-python", "consume"): kafka_python_consume,
    ("confluent", "on_delivery"): confluent_send,
    ("confluent", "plain loop"): confluent_plain,
    ("confluent", "produce_batch"): confluent_batch,
    ("confluent", "AIOProducer"): confluent_aio,
    ("confluent", "consume"): confluent_consume,
}


def main() -> None:
    """Run one load."""
    client, load, server, topic, size = sys.argv[1:]
    warnings.simplefilter("ignore")
    reached = LOADS[client, load](server, topic, int(size))
    if not isinstance(reached, dict):
        reached = asyncio.run(reached)
    reached["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps(reached))


if __name__ == "__main__":
    main()
