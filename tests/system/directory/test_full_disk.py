"""EDGE: a real file system of 20 MB that fills up: what is refused, what goes on, how it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from minibroker.client import Admin
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.testing.stored import stored_batches

from tests.support.directories.directory_contents import send
from tests.support.processes.broker import ForkedBroker

FULL = 56
ROOM_S = 15.0
PAGE_BYTES = 4096
FIRST = f"{0:020}.log"
VALUE = b"x" * 100_000
PRODUCER_ID = 4711


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "volume"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, timeout=10, check=False)
    except OSError as error:
        pytest.skip(f"no small file system: {error}")
    if mounted.returncode:
        pytest.skip(f"no small file system (it takes root): {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], capture_output=True, timeout=10, check=True)


def batch(sequence: int) -> bytes:
    return build_batch(
        [(None, b"%d " % sequence + VALUE, (), time.time_ns() // 1_000_000)],
        producer_id=PRODUCER_ID,
        producer_epoch=0,
        base_sequence=sequence,
    )


async def create(port: int, *names: str) -> None:
    async with Admin(bootstrap_servers=f"127.0.0.1:{port}") as admin:
        for name in names:
            await admin.create_topic(name)


def size_of(path: Path) -> int:
    return path.stat().st_size


async def fill_the_last_page(port: int, log: Path) -> None:
    """Create topics until the last page of the metadata log has no room for the next start."""
    size = size_of(log)
    async with Admin(bootstrap_servers=f"127.0.0.1:{port}") as admin:
        await admin.create_topic("t")
        topic_bytes = size_of(log) - size
        for number in range(200):
            left = -size_of(log) % PAGE_BYTES
            if left < 80:
                return
            length = max(min(left - topic_bytes - 30, 200), 4)
            await admin.create_topic(f"{number:0{length}}")
    raise AssertionError("the page does not fill up")


async def write_until_full(port: int, topic: str) -> list[bytes]:
    """What was acknowledged."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        sent: list[bytes] = []
        while True:
            each = batch(len(sent))
            code, _ = await send(connection, topic, 0, each)
            if code == FULL:
                return sent
            assert code == 0
            sent.append(each)
    finally:
        await connection.close()


async def check(port: int, topic: str, sent: list[bytes], *, expected: int) -> None:
    """All that was acknowledged is read, its retry is recognised, and what is new gets a code."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        stored = await stored_batches(connection, topic)
        assert [header.base_sequence for header, _ in stored] == [*range(len(sent))]
        assert await send(connection, topic, 0, sent[-1]) == (0, len(sent) - 1)
        code, _ = await send(connection, topic, 0, batch(len(sent)))
        assert code == expected
    finally:
        await connection.close()


async def delete(port: int, topic: str) -> None:
    async with Admin(bootstrap_servers=f"127.0.0.1:{port}") as admin:
        await admin.delete_topics([topic])


def await_room(broker: ForkedBroker) -> None:
    """Wait until the broker has seen that there is room again."""
    deadline = time.monotonic() + ROOM_S
    while not count(broker, "disk-free-again"):
        assert time.monotonic() < deadline, "the broker does not see that there is room"
        threading.Event().wait(0.1)


def count(broker: ForkedBroker, event: str) -> int:
    return broker.said.count(f"event={event} ")


def test_a_full_disk_serves_readers_starts_again_and_lets_topics_be_deleted(volume: Path) -> None:
    with ForkedBroker(data_dir=volume) as broker:
        asyncio.run(create(broker.port, "kept", "doomed"))
        doomed = asyncio.run(write_until_full(broker.port, "doomed"))
        assert len(doomed) > 100
        asyncio.run(check(broker.port, "doomed", doomed, expected=FULL))
        broker.kill()
        broker.start()
        asyncio.run(check(broker.port, "doomed", doomed, expected=FULL))
        broker.restart()
        asyncio.run(check(broker.port, "doomed", doomed, expected=FULL))
        assert count(broker, "read-only") == 0
        full_before = count(broker, "disk-full")
        asyncio.run(delete(broker.port, "doomed"))
        kept = asyncio.run(write_until_full(broker.port, "kept"))
        assert len(kept) > 100
        asyncio.run(check(broker.port, "kept", kept, expected=FULL))
        assert full_before >= 1
        assert "flush-failed" not in broker.said


def test_without_a_reserve_a_full_disk_is_only_read_until_there_is_room(volume: Path) -> None:
    data, filler = volume / "data", volume / "filler"
    with ForkedBroker(data_dir=data) as broker:
        asyncio.run(create(broker.port, "kept"))
        connection_sent = [batch(number) for number in range(3)]
        asyncio.run(write(broker.port, "kept", connection_sent))
        broker.kill()
        broker.start()
        asyncio.run(fill_the_last_page(broker.port, data / "__cluster_metadata-0" / FIRST))
        broker.kill()
        (data / "reserve").unlink()
        fill_up(filler)
        broker.start()
        assert count(broker, "read-only") == 1
        asyncio.run(check(broker.port, "kept", connection_sent, expected=FULL))
        filler.unlink()
        await_room(broker)
        asyncio.run(write(broker.port, "kept", [batch(3)]))
        broker.restart()
        asyncio.run(check(broker.port, "kept", [*connection_sent, batch(3)], expected=0))
        assert count(broker, "read-only") == 1


async def write(port: int, topic: str, batches: list[bytes]) -> None:
    connection = await Connection.open("127.0.0.1", port)
    for each in batches:
        assert (await send(connection, topic, 0, each))[0] == 0
    await connection.close()


def fill_up(path: Path) -> None:
    """Write until not one byte more fits."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for chunk in (b"x" * 65536, b"x" * 4096, b"x"):
            while True:
                try:
                    os.write(descriptor, chunk)
                except OSError:
                    break
    finally:
        os.close(descriptor)
