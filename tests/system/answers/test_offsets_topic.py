"""`__consumer_offsets` as a topic: who reads it reads what groups have committed, as in Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.groups.records import GroupRecord, OffsetRecord, decode
from minibroker.client import Admin, Consumer, Fatal, Producer, TopicPartition
from minibroker.client.admin import ConfigResource
from minibroker.client.cluster.list_offsets import EARLIEST, LATEST
from minibroker.testing import TestBroker

NAME = "__consumer_offsets"
PLACE = TopicPartition(NAME, 0)
DATA = TopicPartition("t", 0)


@pytest.fixture(params=["memory", "fsync"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TestBroker]:
    durability = request.param
    data_dir = tmp_path / "data" if durability == "fsync" else None
    async with TestBroker(durability=durability, data_dir=data_dir) as made:
        made.create_topic("t")
        yield made


async def commit(broker: TestBroker, group: str, offset: int) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.alter_group_offsets(group, {DATA: offset})


class Reader:
    """Reads the topic from its beginning; what it has seen, in order."""

    def __init__(self, broker: TestBroker, **options: Any) -> None:
        self._consumer = Consumer(
            bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest", **options
        )
        self.seen: list[tuple[str, int | None]] = []

    async def __aenter__(self) -> Reader:
        await self._consumer.start()
        self._consumer.assign([PLACE])
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._consumer.stop()

    async def read(self, count: int) -> list[tuple[str, int | None]]:
        """All that is seen, once it is so much."""
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                for records in (await self._consumer.getmany(timeout_ms=5_000)).values():
                    for each in records:
                        found = decode(each.key or b"", each.value)
                        if isinstance(found, OffsetRecord):
                            value = found.value
                            self.seen.append(
                                (found.group_id, None if value is None else value.offset)
                            )
                        else:
                            assert isinstance(found, GroupRecord)
        return self.seen


async def test_it_is_there_as_soon_as_there_is_a_group(broker: TestBroker) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        assert NAME not in await admin.list_topics(list_internal=True)
        await commit(broker, "g", 1)
        assert NAME not in await admin.list_topics()
        assert NAME in await admin.list_topics(list_internal=True)
        topic = (await admin.describe_topics([NAME]))[NAME]
        assert (topic.is_internal, len(topic.partitions)) == (True, 1)
        configs = await admin.describe_configs(ConfigResource.topic(NAME))
        assert configs["cleanup.policy"].value == "compact"
        (directory,) = (await admin.describe_log_dirs(1, [PLACE])).values()
        assert directory.replicas[0].size_bytes > 0
        assert await admin.describe_producers([PLACE]) == {PLACE: ()}
        start = (await admin.list_offsets({PLACE: EARLIEST}))[PLACE].offset
        assert start < (await admin.list_offsets({PLACE: LATEST}))[PLACE].offset
        await broker.restart()
        assert (await admin.describe_topics([NAME]))[NAME].topic_id == topic.topic_id


async def test_commits_are_read_as_they_come(broker: TestBroker) -> None:
    await commit(broker, "g", 1)
    async with Reader(broker) as reader:
        assert await reader.read(1) == [("g", 1)]
        await commit(broker, "h", 5)
        assert await reader.read(2) == [("g", 1), ("h", 5)]
        async with Admin(broker.bootstrap_servers) as admin:
            await admin.delete_group("g")
        assert ("g", None) in await reader.read(3)


async def test_readers_of_what_is_committed_see_no_aborted_offsets(broker: TestBroker) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        await producer.send_and_wait("t", b"1")
    await abort_offsets(broker)
    await commit(broker, "g", 2)
    await commit(broker, "h", 3)
    async with Reader(broker, isolation_level="read_committed") as reader:
        assert await reader.read(2) == [("g", 2), ("h", 3)]
    async with Reader(broker) as reader:
        assert ("work", 1) in await reader.read(3)
    await broker.restart()
    async with Reader(broker, isolation_level="read_committed") as reader:
        assert await reader.read(2) == [("g", 2), ("h", 3)]


async def abort_offsets(broker: TestBroker) -> None:
    """A group `work` commits 1 in a transaction; meanwhile readers stop in front of it."""
    options: Any = {"bootstrap_servers": broker.bootstrap_servers, "group_id": "work"}
    options["enable_auto_commit"] = False
    async with (
        Consumer("t", auto_offset_reset="earliest", **options) as consumer,
        Producer(broker.bootstrap_servers, transactional_id="x") as producer,
    ):
        while not await consumer.getmany(timeout_ms=1_000):
            pass
        with suppress(ZeroDivisionError):
            async with producer.transaction() as transaction:
                await transaction.commit_offsets(consumer)
                async with Admin(broker.bootstrap_servers) as admin:
                    all_end = (await admin.list_offsets({PLACE: LATEST}))[PLACE].offset
                async with Consumer(
                    bootstrap_servers=broker.bootstrap_servers, isolation_level="read_committed"
                ) as other:
                    assert (await other.end_offsets([PLACE]))[PLACE] < all_end
                raise ZeroDivisionError


async def test_nobody_writes_to_it(broker: TestBroker) -> None:
    await commit(broker, "g", 1)
    async with Producer(broker.bootstrap_servers) as producer:
        with pytest.raises(Fatal, match="INVALID_TOPIC_EXCEPTION"):
            await producer.send_and_wait(NAME, b"x")
    async with Admin(broker.bootstrap_servers) as admin:
        with pytest.raises(Fatal, match="INVALID_TOPIC_EXCEPTION"):
            await admin.delete_topics([NAME])
        with pytest.raises(Fatal, match="INVALID_TOPIC_EXCEPTION"):
            await admin.create_topic(NAME)
        assert await admin.list_group_offsets("g") != {}


async def test_a_group_may_read_it(broker: TestBroker) -> None:
    await commit(broker, "g", 1)
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.alter_group_offsets("watchers", {PLACE: 1})
        await broker.restart()
        found = await admin.list_group_offsets("watchers")
    assert {place: each.offset for place, each in found.items()} == {PLACE: 1}
