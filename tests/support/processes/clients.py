"""Foreign Python clients behind one face: write values in order, read a partition without a group.

`unmodified and idempotent`: the newest release of each as installed, with its own retries. Every
writer returns the offset of each value as it was acknowledged; every reader reads from offset 0
until it has `count` records. All calls block, so the broker and the proxy beside them are
processes of their own. Waits are generous, since a writer whose delivery has timed out does not
know whether its record is stored, and bounded.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import aiokafka
import aiokafka.codec
import confluent_kafka
import pytest

with warnings.catch_warnings():  # kafka-python reads its schemas by a deprecated function
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka
    import kafka.codec

# For tests that run kafka-python in their own process: it leaves sockets to the collector, those of
# connections that were refused, and those that still had bytes to send when it was closed.
LEAVES_SOCKETS = [
    pytest.mark.usefixtures("garbage_of_clients"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]
DELIVERY_TIMEOUT_S = 120.0
READ_TIMEOUT_S = 60.0


class Writer(Protocol):
    """Write `values` in order to partition 0, in batches of about `batch_bytes`."""

    def __call__(
        self,
        bootstrap_servers: str,
        topic: str,
        values: Iterable[bytes],
        codec: str = "none",
        batch_bytes: int = 16_384,
    ) -> list[int]: ...


Reader = Callable[[str, str, int], list[bytes]]


def write_kafka_python(
    bootstrap_servers: str,
    topic: str,
    values: Iterable[bytes],
    codec: str = "none",
    batch_bytes: int = 16_384,
) -> list[int]:
    """KafkaProducer."""
    producer = kafka.KafkaProducer(
        bootstrap_servers=bootstrap_servers,
        enable_idempotence=True,
        compression_type=None if codec == "none" else codec,
        batch_size=batch_bytes,
        delivery_timeout_ms=int(DELIVERY_TIMEOUT_S * 1000),
        reconnect_backoff_max_ms=200,
    )
    try:
        sent = [producer.send(topic, value, partition=0) for value in values]
        return [each.get(timeout=DELIVERY_TIMEOUT_S).offset for each in sent]
    finally:
        producer.close(timeout=5)


def write_aiokafka(
    bootstrap_servers: str,
    topic: str,
    values: Iterable[bytes],
    codec: str = "none",
    batch_bytes: int = 16_384,
) -> list[int]:
    """AIOKafkaProducer."""

    async def write() -> list[int]:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers,
            enable_idempotence=True,
            compression_type=None if codec == "none" else codec,
            max_batch_size=batch_bytes,
        )
        await producer.start()
        try:
            sent = [await producer.send(topic, value, partition=0) for value in values]
            async with asyncio.timeout(DELIVERY_TIMEOUT_S):
                return [(await each).offset for each in sent]
        finally:
            await producer.stop()

    return asyncio.run(write())


def write_confluent(
    bootstrap_servers: str,
    topic: str,
    values: Iterable[bytes],
    codec: str = "none",
    batch_bytes: int = 16_384,
) -> list[int]:
    """confluent_kafka.Producer."""
    offsets: dict[int, int] = {}
    failures: list[str] = []

    def delivered(index: int) -> Callable[[Any, Any], None]:
        def note(error: Any, message: Any) -> None:
            if error is not None:
                failures.append(str(error))
            else:
                offsets[index] = message.offset()

        return note

    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "compression.type": codec,
            "batch.size": batch_bytes,
            "delivery.timeout.ms": int(DELIVERY_TIMEOUT_S * 1000),
            "reconnect.backoff.max.ms": 100,
        }
    )
    for index, value in enumerate(values):
        producer.produce(topic, value, partition=0, on_delivery=delivered(index))
        producer.poll(0)
    left = producer.flush(DELIVERY_TIMEOUT_S)
    assert not left, f"{left} records were not delivered"
    assert not failures, failures[0]
    return [offsets[index] for index in range(len(offsets))]


def read_kafka_python(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """KafkaConsumer with assign()."""
    partition = kafka.TopicPartition(topic, 0)
    consumer = kafka.KafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=None)
    try:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        values: list[bytes] = []
        deadline = time.monotonic() + READ_TIMEOUT_S
        while len(values) < count and time.monotonic() < deadline:
            records = consumer.poll(timeout_ms=500).get(partition, [])
            values += [record.value for record in records]
        return values
    finally:
        consumer.close()


def read_aiokafka(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """AIOKafkaConsumer with assign()."""

    async def read() -> list[bytes]:
        partition = aiokafka.TopicPartition(topic, 0)
        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=None)
        await consumer.start()
        try:
            consumer.assign([partition])
            consumer.seek(partition, 0)
            values: list[bytes] = []
            async with asyncio.timeout(READ_TIMEOUT_S):
                while len(values) < count:
                    records = (await consumer.getmany(timeout_ms=500)).get(partition, [])
                    values += [record.value for record in records]
            return values
        finally:
            await consumer.stop()

    return asyncio.run(read())


def read_confluent(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """confluent_kafka.Consumer with assign(); the group id is required and never used."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "unused",
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        values: list[bytes] = []
        deadline = time.monotonic() + READ_TIMEOUT_S
        while len(values) < count and time.monotonic() < deadline:
            for message in consumer.consume(1_000, timeout=0.5):
                assert message.error() is None, message.error()
                values.append(message.value() or b"")
        return values
    finally:
        consumer.close()


WRITERS: dict[str, Writer] = {
    "kafka-python": write_kafka_python,
    "aiokafka": write_aiokafka,
    "confluent-kafka": write_confluent,
}
READERS: dict[str, Reader] = {
    "kafka-python": read_kafka_python,
    "aiokafka": read_aiokafka,
    "confluent-kafka": read_confluent,
}


def codecs_of(client: str) -> list[str]:
    """The compressions that this client has as it is installed here."""
    codecs = ["gzip", "snappy", "lz4", "zstd"]
    module = {"kafka-python": kafka.codec, "aiokafka": aiokafka.codec}.get(client)
    if module is None:
        return codecs  # librdkafka brings all of them
    return [codec for codec in codecs if getattr(module, f"has_{codec}")()]
