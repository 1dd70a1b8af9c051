"""EDGE: a program: one client writes to a topic until its standard input ends, through everything.

    python -m tests.crash.writing CLIENT SERVERS TOPIC FILE TIMESTAMP_MS

Every acknowledgement is appended to FILE at once, as a line `number partition offset`, so that
whoever looks knows what had been promised by then. All clients are idempotent, with their own
retries. At the end every value has been acknowledged, and the number of values is printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Iterator
from typing import Any

from minibroker.client import Producer, RecordMetadata

from tests.crash.judge import PARTITIONS
from tests.support.processes.load import value_of

BATCH_BYTES = 1_500
OPEN_MAX = 300  # values that may wait for their acknowledgement
RECORDS_PER_PAUSE = 10
PAUSE_S = 0.01
DELIVERY_MS = 120_000


class Writing:
    """What all clients share: the values, the pace, the file of acknowledgements."""

    def __init__(self, client: str, topic: str, path: str, timestamp_ms: int) -> None:
        self.client = client
        self.topic = topic
        self.timestamp_ms = timestamp_ms
        self.number = 0
        self.stopped = threading.Event()
        self.failures: list[str] = []
        self._acknowledged = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        threading.Thread(target=self._await_end, daemon=True).start()

    def next(self) -> tuple[int, int, bytes]:
        """(number, partition, value) of the next record."""
        number = self.number
        self.number += 1
        partition = number % PARTITIONS
        return number, partition, value_of(self.client, number)

    def acknowledged(self, number: int, partition: int, offset: int) -> None:
        """The client was told where a value is stored; -1 if only that it is."""
        self._acknowledged += 1
        os.write(self._file, b"%d %d %d\n" % (number, partition, offset))

    @property
    def open(self) -> int:
        """Values that are not acknowledged yet."""
        return self.number - self._acknowledged

    def pauses(self) -> Iterator[None]:
        """One for each time to wait PAUSE_S before the next value."""
        if self.number % RECORDS_PER_PAUSE == 0:
            yield
        while self.open >= OPEN_MAX and not self.stopped.is_set():
            yield

    def finish(self) -> int:
        """Say how it went; returns the exit code."""
        assert not self.failures, self.failures[0]
        assert not self.open, f"{self.open} values were not acknowledged"
        print(self.number, flush=True)
        return 0

    def _await_end(self) -> None:
        sys.stdin.read()
        self.stopped.set()


def write_kafka_python(writing: Writing, servers: str) -> None:
    """KafkaProducer."""
    import kafka

    producer = kafka.KafkaProducer(
        bootstrap_servers=servers,
        enable_idempotence=True,
        batch_size=BATCH_BYTES,
        linger_ms=2,
        delivery_timeout_ms=DELIVERY_MS,
        reconnect_backoff_max_ms=200,
    )
    while not writing.stopped.is_set():
        number, partition, value = writing.next()
        future = producer.send(
            writing.topic, value, partition=partition, timestamp_ms=writing.timestamp_ms
        )

        def stored(receipt: Any, number: int = number) -> None:
            writing.acknowledged(number, receipt.partition, receipt.offset)

        future.add_callback(stored)
        future.add_errback(lambda error: writing.failures.append(repr(error)))
        for _ in writing.pauses():
            writing.stopped.wait(PAUSE_S)
    producer.flush(DELIVERY_MS / 1000)
    producer.close(timeout=5)


def write_confluent(writing: Writing, servers: str) -> None:
    """confluent_kafka.Producer."""
    import confluent_kafka

    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "batch.size": BATCH_BYTES,
            "linger.ms": 2,
            "delivery.timeout.ms": DELIVERY_MS,
            "reconnect.backoff.max.ms": 100,
        }
    )
    while not writing.stopped.is_set():
        number, partition, value = writing.next()

        def told(error: Any, message: Any, number: int = number) -> None:
            if error is not None:
                writing.failures.append(str(error))
            else:
                writing.acknowledged(number, message.partition(), message.offset())

        producer.produce(
            writing.topic,
            value,
            partition=partition,
            timestamp=writing.timestamp_ms,
            on_delivery=told,
        )
        producer.poll(0)
        for _ in writing.pauses():
            producer.poll(PAUSE_S)
    producer.flush(DELIVERY_MS / 1000)


def write_ours(writing: Writing, servers: str) -> None:
    """minibroker.client.Producer."""
    asyncio.run(_write_ours(writing, servers))


async def _write_ours(writing: Writing, servers: str) -> None:
    waiting: set[asyncio.Task[None]] = set()

    async def await_receipt(number: int, delivery: Awaitable[RecordMetadata]) -> None:
        try:
            receipt = await delivery
        except Exception as error:
            writing.failures.append(repr(error))
        else:
            writing.acknowledged(number, receipt.partition, receipt.offset)

    producer = Producer(servers, batch_size=BATCH_BYTES, linger_ms=2, reconnect_backoff_max_ms=100)
    async with producer:
        while not writing.stopped.is_set():
            number, partition, value = writing.next()
            delivery = await producer.send(
                writing.topic, value, partition=partition, timestamp_ms=writing.timestamp_ms
            )
            task = asyncio.create_task(await_receipt(number, delivery))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            for _ in writing.pauses():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.Event().wait(), PAUSE_S)
        await asyncio.gather(*waiting)


WRITERS = {
    "kafka-python": write_kafka_python,
    "confluent-kafka": write_confluent,
    "minibroker": write_ours,
}


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    client, servers, topic, path, timestamp_ms = arguments
    writing = Writing(client, topic, path, int(timestamp_ms))
    WRITERS[client](writing, servers)
    return writing.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
