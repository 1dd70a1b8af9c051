"""Three real Kafka nodes, a topic deleted and made again five times under load, leaders moved.

A topic made again has another id, and its leader epochs begin anew: producer and consumer go on
within seconds, and each incarnation holds every record at most once, in order.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sized
from dataclasses import dataclass, field
from functools import partial

import pytest
from minibroker.client import (
    LATEST,
    Admin,
    ClientError,
    Consumer,
    ConsumerRecord,
    Delivery,
    Fatal,
    Producer,
    TopicPartition,
)

from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
TIMES = 5
PARTITIONS = 2
AHEAD_MAX = 500
SOME = 2_000
GOES_ON_S = 2.0
WAIT_S = 120.0
SETTINGS = {
    "auto.create.topics.enable": "false",  # else whoever asks first makes it again
    "controller.quorum.election.timeout.ms": "5000",  # three Javas share one machine
    "controller.quorum.fetch.timeout.ms": "10000",
}
Record = ConsumerRecord[bytes | None, bytes | None]


@dataclass
class Seen:
    """What producer and consumer have come to know.

    Attributes:
        acknowledged_in, read_in: by partition, in which incarnation, counted by the offsets that
            begin anew.
    """

    acknowledged: list[tuple[int, int, bytes]] = field(default_factory=list)
    read: list[Record] = field(default_factory=list)
    failed: list[ClientError | None] = field(default_factory=list)
    acknowledged_in: Counter[int] = field(default_factory=Counter)
    read_in: Counter[int] = field(default_factory=Counter)
    newest: dict[tuple[str, int], int] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False

    def acknowledge(self, delivery: Delivery, value: bytes) -> None:
        """A record has come to its end."""
        if delivery.exception() is not None:
            self.failed.append(delivery.exception())
        else:
            _, partition, offset, _ = delivery.result()
            self.acknowledged.append((partition, offset, value))
            self._count(self.acknowledged_in, "acknowledged", partition, offset)
        self.news.set()

    def take(self, record: Record) -> None:
        """A record was read."""
        self.read.append(record)
        self._count(self.read_in, "read", record.partition, record.offset)
        self.news.set()

    def _count(self, counted: Counter[int], what: str, partition: int, offset: int) -> None:
        counted[partition] += offset <= self.newest.get((what, partition), -1)
        self.newest[what, partition] = offset

    async def until(self, condition: Callable[[], bool]) -> float:
        """Wait until something holds; how many seconds that took."""
        began = time.monotonic()
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.news.clear()
                await self.news.wait()
        return time.monotonic() - began

    async def until_more(self, records: Sized, more: int) -> None:
        """Wait until there are so many more of them."""
        wanted = len(records) + more
        await self.until(lambda: len(records) >= wanted)


async def produce(producer: Producer, seen: Seen) -> None:
    """Numbers, one after the other, to the partitions in turn."""
    gate = asyncio.Semaphore(AHEAD_MAX)
    number = 0
    while not seen.stopping:
        await gate.acquire()
        value = b"%d" % number
        delivery = await producer.send("t", value, partition=number % PARTITIONS)
        number += 1

        def done(each: Delivery, value: bytes = value) -> None:
            gate.release()
            seen.acknowledge(each, value)

        delivery.add_done_callback(done)


async def consume(consumer: Consumer, seen: Seen) -> None:
    async for record in consumer:
        seen.take(record)


async def make_again(admin: Admin) -> None:
    """Delete the topic and make it again; Kafka takes a moment to forget the name."""
    await admin.delete_topics(["t"])
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await admin.create_topic("t", num_partitions=PARTITIONS, replication_factor=3)
                return
            except Fatal as error:
                if "TOPIC_ALREADY_EXISTS" not in str(error):
                    raise


async def serving(admin: Admin) -> None:
    """Wait until the new partitions' leaders answer: how long that takes is Kafka's affair."""
    async with asyncio.timeout(WAIT_S):
        await admin.list_offsets({TopicPartition("t", n): LATEST for n in range(PARTITIONS)})


def incarnations(records: list[Record], partition: int) -> list[list[Record]]:
    """One partition's records, cut where its offsets begin anew."""
    found: list[list[Record]] = []
    for each in records:
        if each.partition != partition:
            continue
        if not found or each.offset <= found[-1][-1].offset:
            found.append([])
        found[-1].append(each)
    return found


async def test_producer_and_consumer_go_on_and_each_incarnation_is_exactly_once() -> None:
    with RealKafka(nodes=3, settings=SETTINGS, heap="384m") as kafka:
        async with Admin(kafka.bootstrap_servers, retry_backoff_max_ms=100) as admin:
            await admin.create_topic("t", num_partitions=PARTITIONS, replication_factor=3)
            seen = Seen()
            async with (
                Producer(kafka.bootstrap_servers, batch_size=16_384) as producer,
                Consumer(
                    "t", bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
                ) as consumer,
                asyncio.TaskGroup() as group,
            ):
                sending = group.create_task(produce(producer, seen))
                reading = group.create_task(consume(consumer, seen))
                took = []
                for turn in range(1, TIMES + 1):
                    await seen.until_more(seen.read, SOME)
                    if turn % 2:  # so that leader epochs have grown
                        leader = producer._sending.cluster.metadata.leader_of("t", 0)
                        await asyncio.to_thread(kafka.kill, leader)
                        await seen.until_more(seen.acknowledged, SOME)
                        await asyncio.to_thread(kafka.start, leader)
                        await seen.until_more(seen.acknowledged, SOME)
                    await make_again(admin)
                    await serving(admin)
                    took.append(
                        await asyncio.gather(
                            seen.until(partial(all_in, seen.acknowledged_in, turn)),
                            seen.until(partial(all_in, seen.read_in, turn)),
                        )
                    )
                seen.stopping = True
                await sending
                await producer.flush()
                ends = await consumer.end_offsets(sorted(consumer.assignment()))
                async with asyncio.timeout(WAIT_S):
                    for place, end in ends.items():
                        while await consumer.position(place) < end:
                            await seen.until_more(seen.read, 1)
                reading.cancel()
    print(f"went on after {took} s, {len(seen.acknowledged)} records acknowledged")
    judge(seen)
    assert all(max(each) < GOES_ON_S for each in took), took
    assert not seen.failed, seen.failed[:3]


def all_in(counted: Counter[int], incarnation: int) -> bool:
    return all(counted[partition] >= incarnation for partition in range(PARTITIONS))


def judge(seen: Seen) -> None:
    """Each incarnation: offsets without a gap, from 0, and no number twice or out of order."""
    for partition in range(PARTITIONS):
        found = incarnations(seen.read, partition)
        assert len(found) == TIMES + 1, [len(each) for each in found]
        for records in found:
            offsets = [each.offset for each in records]
            assert offsets == [*range(len(records))]
            numbers = [int(each.value or b"-1") for each in records]
            assert numbers == sorted({*numbers})
        last = {each.offset: each.value for each in found[-1]}
        told = [each for each in seen.acknowledged if each[0] == partition]
        newest = [each for each in told if last.get(each[1]) == each[2]]
        assert [value for _, _, value in newest] == [*last.values()], "acknowledged and stored"
