"""Faults of the data directory, one instant after the other: what is answered, what is left.

A write that fails is refused with 56 KAFKA_STORAGE_ERROR and asked again with success; the broker
ends where it cannot know what is durable, or would hand a new topic the files of a deleted one.
Errors and torn ends of writes and flushes under load: test_faults.py, tests/interop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.storage.port import StorageError
from minibroker.broker.world import Crashed
from minibroker.client.cluster.connection import Connection, ConnectionFailed
from minibroker.protocol.errors import ErrorCode
from minibroker.testing import TestBroker

from tests.support.answers.admin_answers import create
from tests.support.answers.log_start_answers import delete_records, delete_topic
from tests.support.in_loop.requests import fetch, produce

WAIT_S = 10.0
ONE_BATCH = {"internal.segment.bytes": "100"}  # as large as a segment of its own
DISK = ErrorCode.KAFKA_STORAGE_ERROR
SETTINGS = {"log.retention.ms": "-1"}  # the records of these tests are old


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def broker(data_dir: Path) -> AsyncIterator[TestBroker]:
    async with TestBroker(data_dir=data_dir, durability="fsync", settings=SETTINGS) as made:
        yield made


@pytest.fixture
async def client(broker: TestBroker) -> AsyncIterator[Connection]:
    """With a topic `t` that has a segment for each batch, and a neighbour `u` with a record."""
    connection = await Connection.open("127.0.0.1", broker.port)
    await ask(connection, create("t", configs=ONE_BATCH))
    await ask(connection, create("u"))
    assert await code(connection, b"neighbour", topic="u") == 0
    yield connection
    await connection.close()


async def ask(client: Connection, message: Any) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await client.request(message)


async def code(client: Connection, value: bytes, topic: str = "t") -> int:
    """The error of writing a record."""
    response = await ask(client, produce(value, topic=topic))
    error: int = response.responses[0].partition_responses[0].error_code
    return error


async def fetched(client: Connection) -> int:
    """The error of reading from the begin."""
    response = await ask(client, fetch())
    error: int = response.responses[0].partitions[0].error_code
    return error


def values(broker: TestBroker, topic: str = "t") -> list[bytes | None]:
    return [record.value for record in broker.records(topic)]


def directories(data_dir: Path) -> list[str]:
    """Of topics; the id in the name of a deleted one is left out."""
    found = (each.name for each in data_dir.iterdir() if each.is_dir())
    return sorted(re.sub(r"[0-9a-f]{32}", "ID", name) for name in found if name[:2] != "__")


@pytest.mark.parametrize(
    ("at", "path", "before"),
    [
        ("write", "t-0/*.log", 0),
        ("write", "t-0/partition.metadata", 0),
        ("create", "t-0", 0),
        ("create", "t-0/partition.metadata", 0),
        ("create", "t-0/*.log", 0),
        ("create", "t-0/*.log", 1),
        ("truncate", "t-0/*.log", 1),
    ],
)
async def test_a_write_that_fails_is_refused_and_the_next_succeeds(
    broker: TestBroker, client: Connection, at: Any, path: str, before: int
) -> None:
    for number in range(before):
        assert await code(client, b"%d" % number) == 0
    kept = values(broker)
    fault = broker.faults.disk_error(at=at, path=path, times=1)
    assert await code(client, b"new") == DISK
    assert (fault.fired, values(broker), await code(client, b"", topic="u")) == (1, kept, 0)
    assert await code(client, b"new") == 0
    assert values(broker) == [*kept, b"new"]
    await broker.restart()
    assert values(broker) == [*kept, b"new"]


@pytest.mark.parametrize("suffix", ["index", "timeindex", "summary", "snapshot"])
async def test_what_only_spares_reading_may_fail_to_be_written(
    broker: TestBroker, client: Connection, suffix: str
) -> None:
    assert await code(client, b"a") == 0
    fault = broker.faults.disk_error(at="create", path=f"t-0/*.{suffix}")
    assert await code(client, b"b") == 0
    fault.release()
    await broker.kill()
    await broker.restart()
    assert values(broker) == [b"a", b"b"]


async def test_a_read_that_fails_is_answered_and_the_next_succeeds(
    broker: TestBroker, client: Connection
) -> None:
    assert await code(client, b"a") == 0
    fault = broker.faults.disk_error(at="read", path="t-0/*.log", times=1)
    assert (await fetched(client), fault.fired) == (DISK, 1)
    assert await fetched(client) == 0


async def test_a_partition_that_cannot_be_read_leaves_its_neighbour_readable(
    broker: TestBroker, client: Connection
) -> None:
    assert await code(client, b"a") == 0
    broker.faults.disk_error(at="read", path="t-0/*.log", times=1)
    both = fetch()
    both.topics += fetch(topic="u").topics
    damaged, neighbour = (await ask(client, both)).responses
    assert damaged.partitions[0].error_code == DISK
    assert neighbour.partitions[0].error_code == 0
    assert neighbour.partitions[0].records


async def test_a_flush_that_fails_ends_the_broker_and_keeps_what_was_durable(
    broker: TestBroker, client: Connection
) -> None:
    assert await code(client, b"a") == 0
    fault = broker.faults.disk_error(at="flush", path="t-0/*", times=1)
    assert await code(client, b"b") == DISK
    await broker.ended()
    assert (fault.fired, isinstance(broker.runtime.failed.result(), StorageError)) == (1, True)
    await broker.restart()
    assert values(broker)[:1] == [b"a"]


@pytest.mark.parametrize("path", ["clean-stop", "recovery-points"])
async def test_a_start_that_cannot_replace_its_checkpoints_is_none(
    broker: TestBroker, client: Connection, path: str
) -> None:
    assert await code(client, b"a") == 0
    await broker.stop()
    fault = broker.faults.disk_error(at="replace", path=path, times=1)
    with pytest.raises(StorageError, match=path):
        await broker.start()
    assert fault.fired == 1
    await broker.start()
    assert values(broker) == [b"a"]


async def test_a_stop_that_cannot_leave_its_mark_says_so_and_loses_nothing(
    broker: TestBroker, client: Connection
) -> None:
    assert await code(client, b"a") == 0
    fault = broker.faults.disk_error(at="replace", path="clean-stop", times=1)
    with pytest.raises(StorageError, match="clean-stop"):
        await broker.stop()
    await broker.start()
    assert (fault.fired, values(broker), values(broker, "u")) == (1, [b"a"], [b"neighbour"])


async def test_a_deleted_topic_that_cannot_be_renamed_ends_the_broker(
    broker: TestBroker, client: Connection, data_dir: Path
) -> None:
    """Else the next topic of that name would begin with the records of this one."""
    assert await code(client, b"old") == 0
    fault = broker.faults.disk_error(at="rename", path="t-0", times=1)
    asked = asyncio.create_task(client.request(delete_topic("t")))
    await broker.ended()
    assert fault.fired == 1
    assert isinstance(broker.runtime.failed.result(), StorageError)
    await broker.restart()
    assert directories(data_dir) == ["u-0"]
    broker.create_topic("t")
    assert (values(broker), values(broker, "u")) == ([], [b"neighbour"])
    assert not (asked.done() and not asked.exception())
    asked.cancel()


async def test_a_deleted_topic_whose_files_stay_is_deleted_all_the_same(
    broker: TestBroker, client: Connection, data_dir: Path
) -> None:
    assert await code(client, b"old") == 0
    fault = broker.faults.disk_error(at="remove", path="t-0.*", times=1)
    response = await ask(client, delete_topic("t"))
    assert (response.responses[0].error_code, fault.fired) == (0, 1)
    assert directories(data_dir) == ["t-0.ID-delete", "u-0"]
    await ask(client, create("t"))
    assert await code(client, b"new") == 0
    await broker.restart()
    assert (directories(data_dir), values(broker)) == (["t-0", "u-0"], [b"new"])


async def test_a_segment_that_cannot_be_removed_is_removed_later(
    broker: TestBroker, client: Connection, data_dir: Path
) -> None:
    for number in range(4):
        assert await code(client, b"%d" % number) == 0
    fault = broker.faults.disk_error(at="remove", path="t-0/*.log", times=1)
    await ask(client, delete_records(2, "t"))
    await fault.until_fired(timeout_s=WAIT_S)
    assert (values(broker), await fetched(client)) == ([b"2", b"3"], ErrorCode.OFFSET_OUT_OF_RANGE)
    assert await code(client, b"4") == 0
    await broker.restart()
    assert values(broker) == [b"2", b"3", b"4"]
    assert len([*(data_dir / "t-0").glob("*.log")]) == 3


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(
    ("at", "path"), [("create", "t-0/*.log"), ("truncate", "t-0/*.log"), ("write", "t-0/*.log")]
)
async def test_a_crash_in_a_write_leaves_what_was_acknowledged(
    broker: TestBroker, client: Connection, at: Any, path: str, side: Any
) -> None:
    assert await code(client, b"a") == 0
    fault = broker.faults.crash(at=at, path=path, side=side)
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(b"b"))
    fault.release()
    await broker.restart()
    written = [b"b"] if (at, side) == ("write", "after") else []
    assert (fault.fired, values(broker)) == (1, [b"a", *written])


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(("at", "path"), [("rename", "t-0"), ("remove", "t-0.*")])
async def test_a_crash_in_a_deletion_leaves_nothing_of_the_topic(
    broker: TestBroker, client: Connection, data_dir: Path, at: Any, path: str, side: Any
) -> None:
    assert await code(client, b"old") == 0
    fault = broker.faults.crash(at=at, path=path, side=side)
    with pytest.raises(ConnectionFailed):
        await ask(client, delete_topic("t"))
    fault.release()
    await broker.restart()
    assert (fault.fired, directories(data_dir)) == (1, ["u-0"])
    broker.create_topic("t")
    assert (values(broker), values(broker, "u")) == ([], [b"neighbour"])


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_crash_at_the_mark_of_a_clean_stop_loses_nothing(
    broker: TestBroker, client: Connection, side: Any
) -> None:
    assert await code(client, b"a") == 0
    runtime = broker.runtime
    fault = broker.faults.crash(at="replace", path="clean-stop", side=side)
    with pytest.raises(Crashed):
        await broker.stop()
    assert not runtime.failed.done()
    fault.release()
    await broker.start()
    assert (fault.fired, values(broker)) == (1, [b"a"])
