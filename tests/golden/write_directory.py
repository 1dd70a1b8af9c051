"""EDGE: a data directory with everything in it, as the installed minibroker leaves it.

    python -m tests.golden.write_directory VERSION

is run once, with the minibroker of that version, when the version is released; it makes

    directories/VERSION/stopped.tar.xz     after SIGTERM
    directories/VERSION/killed.tar.xz      the same, written on with, and then SIGKILL
    directories/VERSION/expected.json      what a broker on either must know, by "stopped", "killed"

Every later version opens both (tests/system/directory/test_golden_directories.py). So nobody may
write them anew with a later one. Inside: overrides of topics and of the broker, several partitions,
partitions added later, many small segments, a deleted topic, deleted records with their segments
gone (the producers of those stand in snapshots only), producers with seven batches each and one
with few, compressed batches, groups with members and without.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from minibroker.client import Admin, Consumer, OffsetAndMetadata
from minibroker.client.administer.results import ConfigResource
from minibroker.client.cluster.connection import Connection
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

from tests.support.directories.directory_contents import contents, send
from tests.support.processes.broker import BrokerProcess

FOLDER = Path(__file__).parent / "directories"
WINDOW = 5
AT_MS = 1_700_000_000_000
KEPT = {"retention.ms": "-1", "internal.segment.bytes": "600"}
EARLY = TopicPartition("trimmed", 0)
SETTINGS = {"log.retention.check.interval.ms": "100", "log.initial.task.delay.ms": "100"}


class Writer:
    """One idempotent producer, by hand.

    Attributes:
        newest: the last WINDOW batches of every partition: (batch, answered offset).
    """

    def __init__(self, connection: Connection, producer_id: int) -> None:
        self._connection = connection
        self._producer_id = producer_id
        self._next: dict[TopicPartition, int] = {}
        self.newest: dict[TopicPartition, list[tuple[bytes, int]]] = {}

    async def write(
        self, topic: str, partition: int, count: int, codec: Codec = Codec.NONE
    ) -> None:
        """Send one batch of `count` records."""
        place = TopicPartition(topic, partition)
        first = self._next.get(place, 0)
        self._next[place] = first + count
        records = [
            (
                f"key {number}".encode() if number % 3 else None,
                f"{self._producer_id}/{number}".encode() if number % 4 else None,
                (("origin", b"golden"), ("empty", None)) if number % 2 else (),
                AT_MS + number,
            )
            for number in range(first, first + count)
        ]
        batch = build_batch(
            records,
            codec=codec,
            producer_id=self._producer_id,
            producer_epoch=0,
            base_sequence=first,
        )
        code, offset = await send(self._connection, topic, partition, batch)
        assert code == 0, f"{place}: error {code}"
        self.newest.setdefault(place, []).append((batch, offset))
        del self.newest[place][:-WINDOW]


async def _new_id(connection: Connection) -> int:
    answer = await connection.request(
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    )
    assert answer.error_code == 0
    producer_id: int = answer.producer_id
    return producer_id


async def _fill(port: int) -> list[Writer]:
    server = f"127.0.0.1:{port}"
    connection = await Connection.open("127.0.0.1", port)
    async with Admin(bootstrap_servers=server) as admin:
        await admin.create_topic("orders", num_partitions=2, configs=KEPT)
        await admin.create_topic("trimmed", configs={**KEPT, "max.message.bytes": "5000"})
        await admin.create_topic("grown", configs={"cleanup.policy": "delete", **KEPT})
        await admin.create_topic("gone", num_partitions=2)
        await admin.create_topic("empty", num_partitions=3)
        await admin.create_partitions("grown", 2)
        await admin.alter_configs(ConfigResource.topic("grown"), {"max.message.bytes": "70000"})
        await admin.alter_configs(ConfigResource.broker(None), {"message.max.bytes": "900000"})
        writers = [Writer(connection, await _new_id(connection)) for _ in range(3)]
        for number in range(7):
            for writer in writers[:2]:
                await writer.write("orders", 0, 2)
                await writer.write("orders", 1, 1 + number % 2, Codec.GZIP)
            await writers[0].write("trimmed", 0, 3)
            await writers[1].write("grown", number % 2, 1)
        await writers[2].write("gone", 1, 1)
        writers[2].newest.clear()
        await writers[2].write("grown", 1, 1)
        await writers[2].write("trimmed", 0, 1)
        for _ in range(6):
            await send(connection, "trimmed", 0, build_batch([(None, b"x" * 90, (), AT_MS)]))
        await _read_as_group(server)
        places = {TopicPartition("orders", 0): OffsetAndMetadata(5, "noted")}
        await admin.alter_group_offsets("outside", {**places, TopicPartition("grown", 1): 1})
        await admin.alter_group_offsets("ended", {TopicPartition("gone", 1): 1, **places})
        await admin.delete_group("ended")
        await admin.delete_topics(["gone"])
        await admin.delete_records({EARLY: 23})
    await connection.close()
    return writers


async def _read_as_group(server: str) -> None:
    consumer = Consumer(
        "orders", bootstrap_servers=server, group_id="readers", auto_offset_reset="earliest"
    )
    async with consumer:
        taken = 0
        while taken < 20:
            found = await consumer.getmany(timeout_ms=1000, max_records=5)
            taken += sum(map(len, found.values()))
        await consumer.commit()


async def _write_on(port: int, writers: list[Writer]) -> None:
    connection = await Connection.open("127.0.0.1", port)
    for writer in writers:
        writer._connection = connection
    for _ in range(3):
        await writers[0].write("orders", 0, 2)
        await writers[1].write("grown", 1, 2)
    async with Admin(bootstrap_servers=f"127.0.0.1:{port}") as admin:
        await admin.create_topic("late", configs=KEPT)
        await writers[2].write("late", 0, 4)
        await admin.alter_group_offsets("outside", {TopicPartition("late", 0): 2})
    await connection.close()


def _await_removal(data: Path) -> None:
    """Wait until retention has removed what DeleteRecords let go."""
    deadline = time.monotonic() + 20
    while (data / f"{EARLY.topic}-{EARLY.partition}" / f"{0:020}.log").exists():
        assert time.monotonic() < deadline, "retention does not remove the segments"
        threading.Event().wait(0.05)


def _expected(port: int, writers: list[Writer]) -> dict[str, Any]:
    retries = [
        {"topic": topic, "partition": partition, "batch": batch.hex(), "offset": offset}
        for writer in writers
        for (topic, partition), newest in writer.newest.items()
        for batch, offset in newest
    ]
    return {**asyncio.run(contents(port)), "retries": retries}


def _pack(data: Path, path: Path) -> None:
    with tarfile.open(path, "w:xz", preset=9) as archive:
        for each in sorted(data.rglob("*")):
            archive.add(each, str(each.relative_to(data)), recursive=False, filter=_nobodys)


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def main(version: str) -> int:
    """Write the files of a version. Returns the exit code."""
    folder = FOLDER / version
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data"
        with BrokerProcess(data_dir=data, settings=SETTINGS) as broker:
            writers = asyncio.run(_fill(broker.port))
            _await_removal(data)
            expected = {"stopped": _expected(broker.port, writers)}
            broker.stop()
            _pack(data, folder / "stopped.tar.xz")
            broker.start()
            asyncio.run(_write_on(broker.port, writers))
            expected["killed"] = _expected(broker.port, writers)
            broker.kill()
            _pack(data, folder / "killed.tar.xz")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
