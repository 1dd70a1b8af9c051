"""EDGE: members of a group that read and commit until they are told to stop, one kind a client.

Each commits the positions of its partitions after every read, and notes what was acknowledged.
A refused commit (a rebalance came first, the broker is away) is no fault: it was not promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable

import aiokafka
import confluent_kafka
from aiokafka.errors import KafkaConnectionError, KafkaError
from minibroker.client import Consumer
from minibroker.client.cluster.connection import ConnectionFailed, RequestTimedOut
from minibroker.client.errors import ClientError

SESSION_TIMEOUT_MS = 6_000  # the least a broker allows by default
HEARTBEAT_MS = 500
READ_MS = 20
RECORDS_MAX = 5


class Acknowledged:
    """The commits of a group that its members were told of."""

    def __init__(self) -> None:
        self.offsets: dict[tuple[str, int], int] = {}
        self.count = 0

    def note(self, offsets: Iterable[tuple[tuple[str, int], int]]) -> None:
        """One commit was acknowledged."""
        self.count += 1
        for place, offset in offsets:
            self.offsets[place] = max(offset, self.offsets.get(place, 0))


Member = Callable[[str, str, str, asyncio.Event, Acknowledged], Coroutine[None, None, None]]


async def aiokafka_member(
    servers: str, topic: str, group: str, stopped: asyncio.Event, acknowledged: Acknowledged
) -> None:
    """AIOKafkaConsumer."""
    consumer = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_records=RECORDS_MAX,
    )
    try:
        await consumer.start()
        while not stopped.is_set():
            await consumer.getmany(timeout_ms=READ_MS)
            try:
                offsets = {each: await consumer.position(each) for each in consumer.assignment()}
                await consumer.commit(offsets)
            except (KafkaError, AssertionError):  # it asserts that it still owns a partition
                continue
            acknowledged.note(offsets.items())
    except KafkaConnectionError:
        return  # the kill came while it started; that was one who comes and goes
    finally:
        await consumer.stop()


async def our_member(
    servers: str, topic: str, group: str, stopped: asyncio.Event, acknowledged: Acknowledged
) -> None:
    """Our Consumer."""
    consumer = Consumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_records=RECORDS_MAX,
    )
    try:
        await consumer.start()
    except (ClientError, ConnectionFailed, RequestTimedOut):
        return  # as above
    try:
        while not stopped.is_set():
            await consumer.getmany(timeout_ms=READ_MS)
            try:
                offsets = {each: await consumer.position(each) for each in consumer.assignment()}
                await consumer.commit(offsets)
            except ClientError:
                continue
            acknowledged.note(offsets.items())
    finally:
        await consumer.stop()


async def confluent_member(
    servers: str, topic: str, group: str, stopped: asyncio.Event, acknowledged: Acknowledged
) -> None:
    """confluent_kafka.Consumer, which blocks: in a thread of its own."""

    def run() -> None:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": SESSION_TIMEOUT_MS,
                "heartbeat.interval.ms": HEARTBEAT_MS,
                "reconnect.backoff.max.ms": 100,
            }
        )
        consumer.subscribe([topic])
        try:
            while not stopped.is_set():
                consumer.consume(RECORDS_MAX, timeout=READ_MS / 1000)
                try:
                    owned = consumer.position(consumer.assignment())
                    ready = [each for each in owned if each.offset >= 0]
                    if not ready:
                        continue
                    done = consumer.commit(offsets=ready, asynchronous=False)
                except confluent_kafka.KafkaException:
                    continue
                acknowledged.note(
                    ((each.topic, each.partition), each.offset) for each in done if not each.error
                )
        finally:
            consumer.close()

    await asyncio.to_thread(run)


MEMBERS: dict[str, Member] = {
    "aiokafka": aiokafka_member,
    "confluent-kafka": confluent_member,
    "ours": our_member,
}
