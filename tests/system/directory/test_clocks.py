"""EDGE: a wall clock that jumps under a real broker, by libfaketime: nobody is forgotten for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from minibroker.client import Admin
from minibroker.client.cluster.connection import Connection
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.batch.writing import build_batch

from tests.support.directories.directory_contents import send
from tests.support.processes.broker import BrokerProcess

LIBRARIES = "lib/*/faketime/libfaketime.so.1"
CHECKS_S = 0.4  # several rounds of CHECK_MS
CHECK_MS = "100"
SETTINGS = {
    "producer.id.expiration.ms": "600000",
    "producer.id.expiration.check.interval.ms": CHECK_MS,
    "offsets.retention.check.interval.ms": CHECK_MS,
}
CONFIGS = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**62)}
BATCHES = 5
PLACE = TopicPartition("t", 0)

SetClock = Callable[[str], None]


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the wall clock of brokers, running ones and those started later: "+400d"."""
    libraries = [*Path("/usr").glob(LIBRARIES), *Path("/usr/local").glob(LIBRARIES)]
    if not libraries:
        pytest.skip("libfaketime is not installed (the package faketime)")
    path = tmp_path / "clock"
    path.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(libraries[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(path))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")

    def set_to(offset: str) -> None:
        path.write_text(offset)

    return set_to


def batch(producer_id: int, sequence: int) -> bytes:
    return build_batch(
        [(None, b"v", (), 1_700_000_000_000 + sequence)],
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=sequence,
    )


async def begin(port: int) -> None:
    async with Admin(bootstrap_servers=f"127.0.0.1:{port}") as admin:
        await admin.create_topic("t", configs=CONFIGS)


async def write(port: int, producer_id: int, group: str) -> list[tuple[int, int]]:
    """Five batches, or their retries, and a commit; the answers to the batches."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        answers = [
            await send(connection, "t", 0, batch(producer_id, number)) for number in range(BATCHES)
        ]
    finally:
        await connection.close()
    async with Admin(bootstrap_servers=f"127.0.0.1:{port}") as admin:
        await admin.alter_group_offsets(group, {PLACE: 3})
    return answers


async def know(port: int, written: dict[int, list[tuple[int, int]]], groups: list[str]) -> None:
    """Every retry gets the first answer, every group has its offset."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        for producer_id, answers in written.items():
            for sequence, answer in enumerate(answers):
                assert await send(connection, "t", 0, batch(producer_id, sequence)) == answer
    finally:
        await connection.close()
    async with Admin(bootstrap_servers=f"127.0.0.1:{port}") as admin:
        for group in groups:
            found = await admin.list_group_offsets(group)
            assert [each.offset for each in found.values()] == [3], group


def let_checks_pass() -> None:
    threading.Event().wait(CHECKS_S)


def test_the_library_sets_the_clock(set_clock: SetClock, tmp_path: Path) -> None:
    set_clock("+400d")
    with BrokerProcess(data_dir=tmp_path / "data", settings=SETTINGS) as broker:
        year = int(time.strftime("%Y", time.gmtime(time.time() + 400 * 86_400)))
        assert f"time={year}-" in broker.said


@pytest.mark.parametrize("offset", ["+2d", "+400d", "-400d"])
def test_a_clock_that_is_set_while_the_broker_runs_makes_nobody_forgotten(
    offset: str, set_clock: SetClock, tmp_path: Path
) -> None:
    with BrokerProcess(data_dir=tmp_path / "data", settings=SETTINGS) as broker:
        asyncio.run(begin(broker.port))
        written = {7: asyncio.run(write(broker.port, 7, "before"))}
        set_clock(offset)
        let_checks_pass()
        written[8] = asyncio.run(write(broker.port, 8, "behind"))
        set_clock("+0")
        let_checks_pass()
        asyncio.run(know(broker.port, written, ["before", "behind"]))


def test_a_clock_that_is_set_between_starts_makes_nobody_forgotten(
    set_clock: SetClock, tmp_path: Path
) -> None:
    with BrokerProcess(data_dir=tmp_path / "data", settings=SETTINGS) as broker:
        asyncio.run(begin(broker.port))
        written = {6: asyncio.run(write(broker.port, 6, "g6"))}
        for producer_id, offset in enumerate(("+400d", "-400d", "+0"), 7):
            (broker.stop if producer_id % 2 else broker.kill)()
            set_clock(offset)
            broker.start()
            let_checks_pass()
            groups = [f"g{each}" for each in written]
            asyncio.run(know(broker.port, written, groups))
            written[producer_id] = asyncio.run(write(broker.port, producer_id, f"g{producer_id}"))
