"""Names are not identities: topics made again, partitions added, topics forgotten when idle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from minibroker.client import Admin, Consumer, Fatal, Producer, TopicPartition
from minibroker.testing import TestBroker

BOUND_S = 5.0
P0 = TopicPartition("t", 0)


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as broker:
        broker.create_topic("t")
        yield broker


async def make_again(broker: TestBroker) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.delete_topics(["t"])
        await admin.create_topic("t", num_partitions=1)


@pytest.mark.parametrize("group", [None, "g"])
async def test_producer_and_consumer_go_on_with_a_topic_made_again(
    broker: TestBroker, group: str | None
) -> None:
    async with (
        Producer(broker.bootstrap_servers) as producer,
        Consumer(
            "t", bootstrap_servers=broker.bootstrap_servers, group_id=group,
            auto_offset_reset="earliest", auto_commit_interval_ms=20,
        ) as consumer,
        asyncio.timeout(BOUND_S),
    ):  # fmt: skip
        for incarnation in range(4):
            values = [b"%d of %d" % (n, incarnation) for n in range(20)]
            await producer.send_many("t", values)
            read = [await consumer.getone() for _ in values]
            assert [each.value for each in read] == values
            assert [each.offset for each in read] == [*range(20)]
            await make_again(broker)


async def test_a_position_of_the_old_topic_is_not_used_in_the_new_one(broker: TestBroker) -> None:
    """The new one soon has the old position, too: read from there, records would be missing."""
    async with (
        Producer(broker.bootstrap_servers) as producer,
        Consumer(
            "t", bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest",
            fetch_max_wait_ms=30_000, request_timeout_ms=40_000,
        ) as consumer,
        asyncio.timeout(BOUND_S),
    ):  # fmt: skip
        await producer.send_many("t", [b"old"] * 10)
        for _ in range(10):
            await consumer.getone()
        await make_again(broker)
        async with Producer(broker.bootstrap_servers) as another:
            await another.send_many("t", [b"%d" % n for n in range(50)])
        read = [await consumer.getone() for _ in range(50)]
        assert [each.value for each in read] == [b"%d" % n for n in range(50)]


async def test_a_partition_that_was_just_added_is_asked_for(broker: TestBroker) -> None:
    async with (
        Admin(broker.bootstrap_servers) as admin,
        Producer(broker.bootstrap_servers) as producer,
    ):
        await producer.send_and_wait("t", b"v", partition=0)
        await admin.create_partitions("t", 3)
        async with asyncio.timeout(BOUND_S):
            receipt = await producer.send_and_wait("t", b"v", partition=2)
        assert receipt.partition == 2
        with pytest.raises(Fatal, match="t has 3 partitions, and 3 is none of them"):
            async with asyncio.timeout(BOUND_S):
                await producer.send("t", b"v", partition=3)


async def test_topics_that_nothing_is_sent_to_are_forgotten(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer(broker.bootstrap_servers, metadata_max_idle_ms=5_000)
    async with producer:
        metadata = producer._sending.cluster.metadata
        await producer.send_and_wait("t", b"v")
        await producer.send_and_wait("kept", b"v")
        now_ms = producer._sending.now_ms()
        monkeypatch.setattr(producer._sending, "now_ms", lambda: now_ms + 4_000)
        await producer.send_and_wait("kept", b"v", key=b"k")
        monkeypatch.setattr(producer._sending, "now_ms", lambda: now_ms + 5_000)
        await producer._sending.cluster.refresh()
        assert metadata.wanted == {"kept"}
        assert metadata.topics.keys() == {"kept"}
        monkeypatch.undo()
        for topic in ("t", "kept"):  # sequences go on where they were
            await producer.send_and_wait(topic, b"w")
    assert [each.sequence for each in broker.records("t")] == [0, 1]
    assert [each.sequence for each in broker.records("kept")] == [0, 1, 2]
