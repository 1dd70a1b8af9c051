"""EDGE: a program: a read_committed reader of a topic until its standard input ends.

    python -m tests.crash.transactions.reading CLIENT SERVERS TOPIC FILE

Everything it is given is appended to FILE at once (written.py).
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterable

import aiokafka
import confluent_kafka
from aiokafka.errors import KafkaError
from minibroker.testing import Kept

from tests.crash.transactions.transacting import PARTITIONS
from tests.crash.transactions.written import WrittenHistory

READ_S = 0.1
RECORDS_MAX = 50


class Reading:
    """Positions, and the file."""

    def __init__(self, topic: str, path: str) -> None:
        self.topic = topic
        self.stopped = threading.Event()
        self._history = WrittenHistory(path)
        self._positions = dict.fromkeys(range(PARTITIONS), 0)
        threading.Thread(target=self._await_end, daemon=True).start()

    def given(self, records: Iterable[tuple[int, int, bytes]]) -> None:
        """(partition, offset, value) of some records, of each partition in their order."""
        by_partition: dict[int, list[Kept]] = {}
        for partition, offset, value in records:
            by_partition.setdefault(partition, []).append(Kept(offset, value))
        for partition, kept in by_partition.items():
            begin, end = self._positions[partition], kept[-1].offset + 1
            self._history.read(partition, begin, end, kept, is_committed=True)
            self._positions[partition] = end

    def _await_end(self) -> None:
        sys.stdin.read()
        self.stopped.set()


def read_confluent(reading: Reading, servers: str) -> None:
    """confluent_kafka.Consumer."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "reconnect.backoff.max.ms": 100,
        }
    )
    consumer.assign(
        [confluent_kafka.TopicPartition(reading.topic, each, 0) for each in range(PARTITIONS)]
    )
    while not reading.stopped.is_set():
        messages = consumer.consume(RECORDS_MAX, timeout=READ_S)
        reading.given(
            (each.partition() or 0, each.offset() or 0, each.value() or b"")
            for each in messages
            if each.error() is None
        )
    consumer.close()


def read_aiokafka(reading: Reading, servers: str) -> None:
    """aiokafka.AIOKafkaConsumer."""
    asyncio.run(_read_aiokafka(reading, servers))


async def _read_aiokafka(reading: Reading, servers: str) -> None:
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        request_timeout_ms=10_000,
    )
    await consumer.start()
    consumer.assign([aiokafka.TopicPartition(reading.topic, each) for each in range(PARTITIONS)])
    try:
        while not reading.stopped.is_set():
            try:
                answer = await consumer.getmany(timeout_ms=int(READ_S * 1000))
            except KafkaError as error:
                print(f"getmany: {error!r}", file=sys.stderr)
                continue
            reading.given(
                (each.partition, each.offset, each.value)
                for records in answer.values()
                for each in records
            )
    finally:
        await consumer.stop()


READERS = {"confluent-kafka": read_confluent, "aiokafka": read_aiokafka}


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    client, servers, topic, path = arguments
    READERS[client](Reading(topic, path), servers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
