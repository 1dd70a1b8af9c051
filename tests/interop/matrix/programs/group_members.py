"""EDGE: the Python clients as members of a mixed group.

    python -m tests.interop.matrix.programs.group_members CLIENT BOOTSTRAP TOPIC GROUP ASSIGNOR FILE

A member appends a line `PARTITION OFFSET VALUE` to FILE for each record it is handed, and commits
only after it has written; it runs until it is killed. A refused commit is no matter: somebody is
handed the records again. group_member.js and GroupMember.java take the same arguments from
BOOTSTRAP on.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

SESSION_MS, BEAT_MS, POLL_LIMIT_MS = 6_000, 500, 10_000
POLL_MS = 200
Write = Callable[[Iterable[tuple[int, int, bytes | None]]], None]


def writer(path: str) -> Write:
    """A function that has records in the file when it returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(records: Iterable[tuple[int, int, bytes | None]]) -> None:
        lines = [f"{p} {o} {(value or b'').decode()}\n" for p, o, value in records]
        os.write(descriptor, "".join(lines).encode())

    return write


def kafka_python(bootstrap: str, topic: str, group: str, assignor: str, write: Write) -> None:
    """Run until killed."""
    from kafka import KafkaConsumer
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.errors import KafkaError

    assignors = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, client_id="kafka-python",
        auto_offset_reset="earliest", enable_auto_commit=False, session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=BEAT_MS, max_poll_interval_ms=POLL_LIMIT_MS,
        partition_assignment_strategy=[assignors[assignor]],
    )  # fmt: skip
    while True:
        taken = consumer.poll(timeout_ms=POLL_MS)
        if not taken:
            continue
        write((r.partition, r.offset, r.value) for records in taken.values() for r in records)
        try:
            consumer.commit()
        except KafkaError as error:
            print(repr(error), file=sys.stderr)


def confluent(bootstrap: str, topic: str, group: str, assignor: str, write: Write) -> None:
    """Run until killed."""
    from confluent_kafka import Consumer, KafkaException

    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap, "group.id": group, "client.id": "confluent",
        "auto.offset.reset": "earliest", "enable.auto.commit": False,
        "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": BEAT_MS,
        "max.poll.interval.ms": POLL_LIMIT_MS, "partition.assignment.strategy": assignor,
        "reconnect.backoff.max.ms": 100,
    }  # fmt: skip
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    while True:
        taken = [each for each in consumer.consume(500, POLL_MS / 1000) if each.error() is None]
        if not taken:
            continue
        write((each.partition() or 0, each.offset() or 0, each.value()) for each in taken)
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            print(repr(error), file=sys.stderr)


async def aiokafka(bootstrap: str, topic: str, group: str, assignor: str, write: Write) -> None:
    """Run until killed."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from aiokafka.errors import KafkaError

    assignors = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, client_id="aiokafka",
        auto_offset_reset="earliest", enable_auto_commit=False, session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=BEAT_MS, max_poll_interval_ms=POLL_LIMIT_MS,
        partition_assignment_strategy=(assignors[assignor],),
    )  # fmt: skip
    await consumer.start()
    while True:
        taken = await consumer.getmany(timeout_ms=POLL_MS)
        if not taken:
            continue
        write((r.partition, r.offset, r.value) for records in taken.values() for r in records)
        try:
            await consumer.commit()
        except KafkaError as error:
            print(repr(error), file=sys.stderr)


async def ours(bootstrap: str, topic: str, group: str, assignor: str, write: Write) -> None:
    """Run until killed."""
    from minibroker.client import ClientError, Consumer

    consumer = Consumer(
        topic, bootstrap_servers=bootstrap, group_id=group, client_id="ours",
        auto_offset_reset="earliest", enable_auto_commit=False, session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=BEAT_MS, max_poll_interval_ms=POLL_LIMIT_MS,
        partition_assignment_strategy=[assignor],
    )  # fmt: skip
    await consumer.start()
    while True:
        taken = await consumer.getmany(timeout_ms=POLL_MS)
        if not taken:
            continue
        write((r.partition, r.offset, r.value) for records in taken.values() for r in records)
        try:
            await consumer.commit()
        except ClientError as error:
            print(repr(error), file=sys.stderr)


def main(arguments: list[str]) -> None:
    """Run one member."""
    client, bootstrap, topic, group, assignor, path = arguments
    write = writer(path)
    if client in BLOCKING:
        BLOCKING[client](bootstrap, topic, group, assignor, write)
    else:
        asyncio.run(ASYNC[client](bootstrap, topic, group, assignor, write))


BLOCKING = {"kafka-python": kafka_python, "confluent": confluent}
ASYNC = {"aiokafka": aiokafka, "ours": ours}

if __name__ == "__main__":
    main(sys.argv[1:])
