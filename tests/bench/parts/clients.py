"""EDGE: records a second that real clients reach, idempotent, 100 bytes each, on any broker.

A client library is the same on both sides, so the ratio says what the broker makes of it.
"""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from tests.bench.loads import TOPIC
from tests.bench.servers import Server

VALUE = b"x" * 100
CONFLUENT_RECORDS = 200_000
AIOKAFKA_RECORDS = 30_000
FLUSH_S = 60.0
POLL_EVERY = 1000


def confluent_rate(server: Server) -> tuple[float, int]:
    """(records a second, records) of confluent-kafka: a produce loop with poll, then flush."""
    failed: list[object] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(
        {"bootstrap.servers": f"{server.host}:{server.port}", "enable.idempotence": True}
    )
    producer.produce(TOPIC, VALUE)
    producer.flush(FLUSH_S)  # it has its connection and producer id from here on
    began = time.perf_counter()
    for number in range(CONFLUENT_RECORDS):
        while True:
            try:
                producer.produce(TOPIC, VALUE, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.01)
        if number % POLL_EVERY == 0:
            producer.poll(0)
    left = producer.flush(FLUSH_S)
    took = time.perf_counter() - began
    if left or failed:
        raise RuntimeError(f"{server.name}: {left} records left, {len(failed)} failed")
    return CONFLUENT_RECORDS / took, CONFLUENT_RECORDS


def aiokafka_rate(server: Server) -> tuple[float, int]:
    """(records a second, records) of aiokafka: a send loop, then all deliveries."""
    return asyncio.run(_aiokafka(server)), AIOKAFKA_RECORDS


async def _aiokafka(server: Server) -> float:
    producer = AIOKafkaProducer(
        bootstrap_servers=f"{server.host}:{server.port}", enable_idempotence=True
    )
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, VALUE)
        began = time.perf_counter()
        deliveries = [await producer.send(TOPIC, VALUE) for _ in range(AIOKAFKA_RECORDS)]
        await asyncio.gather(*deliveries)
        return AIOKAFKA_RECORDS / (time.perf_counter() - began)
    finally:
        await producer.stop()
