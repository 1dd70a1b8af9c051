"""EDGE: how fast real consumers read a topic through a group, on any broker.

Each reader joins a fresh group, reads `count` records from the beginning and returns the seconds
from the first record to the last: joining costs every broker the same wait of its client.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

import aiokafka
import confluent_kafka
import kafka
from minibroker.client import Consumer

from tests.bench.servers import Server
from tests.support.processes.kafka import fetch

READ_S = 120.0
POLL_RECORDS = 10_000
CONFLUENT_RECORDS = 500  # it waits until as many are there

GroupReader = Callable[[Server, str, int], float]


class _Watch:
    """Counts records; knows when the first and the last came."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._gives_up = time.monotonic() + READ_S
        self._first = self._last = 0.0

    def took(self, records: int) -> bool:
        """So many more have come; whether all have."""
        now = time.monotonic()
        if records and not self._first:
            self._first = now
        self._left -= records
        self._last = now
        if now > self._gives_up:
            raise RuntimeError(f"{self._left} records still missing after {READ_S:g} s")
        return self._left <= 0

    @property
    def seconds(self) -> float:
        """From the first record to the last."""
        return self._last - self._first


def confluent_seconds(server: Server, topic: str, count: int) -> float:
    """confluent-kafka: consume() with many records a call."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": f"{server.host}:{server.port}",
            "group.id": uuid4().hex,
            "auto.offset.reset": "earliest",
            # By default it pauses for a second whenever its own queue is full; that would be timed.
            "queued.min.messages": 1_000_000,
            "queued.max.messages.kbytes": 1_000_000,
            "fetch.queue.backoff.ms": 2,
        }
    )
    watch = _Watch(count)
    try:
        consumer.subscribe([topic])
        while not watch.took(len(consumer.consume(CONFLUENT_RECORDS, timeout=0.1))):
            pass
    finally:
        consumer.close()
    return watch.seconds


def kafka_python_seconds(server: Server, topic: str, count: int) -> float:
    """kafka-python: poll()."""
    consumer = kafka.KafkaConsumer(
        topic,
        bootstrap_servers=f"{server.host}:{server.port}",
        group_id=uuid4().hex,
        auto_offset_reset="earliest",
    )
    watch = _Watch(count)
    try:
        while not watch.took(
            _total(consumer.poll(timeout_ms=1000, max_records=POLL_RECORDS).values())
        ):
            pass
    finally:
        consumer.close()
    return watch.seconds


def aiokafka_seconds(server: Server, topic: str, count: int) -> float:
    """aiokafka: getmany()."""

    async def read() -> float:
        consumer = aiokafka.AIOKafkaConsumer(
            topic,
            bootstrap_servers=f"{server.host}:{server.port}",
            group_id=uuid4().hex,
            auto_offset_reset="earliest",
        )
        watch = _Watch(count)
        async with consumer:
            while not watch.took(_total((await consumer.getmany(timeout_ms=1000)).values())):
                pass
        return watch.seconds

    return asyncio.run(read())


def our_seconds(server: Server, topic: str, count: int) -> float:
    """Our client: getmany()."""

    async def read() -> float:
        consumer = Consumer(
            topic,
            bootstrap_servers=f"{server.host}:{server.port}",
            group_id=uuid4().hex,
            auto_offset_reset="earliest",
        )
        watch = _Watch(count)
        async with consumer:
            while not watch.took(_total((await consumer.getmany(timeout_ms=1000)).values())):
                pass
        return watch.seconds

    return asyncio.run(read())


def consumer_perf_seconds(server: Server, topic: str, count: int) -> float:
    """Kafka's own consumer-perf; its "fetch time" leaves the joining out."""
    tool = ["java", "-cp", f"{fetch()}/*", "org.apache.kafka.tools.ConsumerPerformance"]
    options = ["--bootstrap-server", f"{server.host}:{server.port}", "--topic", topic]
    options += ["--num-records", str(count), "--group", uuid4().hex]
    done = subprocess.run(
        [*tool, *options], capture_output=True, text=True, timeout=READ_S, check=False
    )
    lines = done.stdout.strip().splitlines()
    names = [name.strip() for name in lines[0].split(",")] if len(lines) > 1 else []
    if "fetch.time.ms" not in names:
        raise RuntimeError(f"consumer-perf: {done.stdout[-1000:]} {done.stderr[-1000:]}")
    figures = dict(zip(names, re.split(r",\s*", lines[-1]), strict=True))
    return int(figures["fetch.time.ms"]) / 1000


def _total(lists: Iterable[Sequence[object]]) -> int:
    return sum(map(len, lists))


GROUP_READERS: dict[str, GroupReader] = {
    "confluent-kafka": confluent_seconds,
    "consumer-perf": consumer_perf_seconds,
    "ours": our_seconds,
    "aiokafka": aiokafka_seconds,
    "kafka-python": kafka_python_seconds,
}
