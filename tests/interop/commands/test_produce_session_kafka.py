"""`minibroker produce --session`, with and without an id, killed on a real Kafka."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from minibroker.client import Admin, Consumer, TopicPartition

from tests.support.processes.commands import Command, run
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
PARTITIONS = 3
KILLS = 3
LINES = [b"%05d" % number for number in range(6_000)]
READ_S = 120.0


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka(heap="512m") as kafka:
        yield kafka


async def create(servers: str, topic: str) -> None:
    async with Admin(servers) as admin:
        await admin.create_topic(topic, num_partitions=PARTITIONS)


async def stored(servers: str, topic: str, at_least: int = 0) -> list[list[bytes]]:
    """All records, by partition; waits until there are so many."""
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    found: dict[TopicPartition, list[bytes]] = {place: [] for place in places}
    async with Consumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        consumer.assign(places)
        async with asyncio.timeout(READ_S):
            while True:
                ends = await consumer.end_offsets(places)
                while any([await consumer.position(place) < ends[place] for place in places]):
                    for place, records in (await consumer.getmany(timeout_ms=500)).items():
                        found[place] += [record.value or b"" for record in records]
                if sum(map(len, found.values())) >= at_least:
                    return [*found.values()]


@pytest.mark.parametrize("name", [None, "importer"])
def test_killed_again_and_again_each_line_is_stored_once(
    kafka: RealKafka, tmp_path: Path, name: str | None
) -> None:
    servers, topic = kafka.bootstrap_servers, f"orders-{name}"
    asyncio.run(create(servers, topic))
    command = ["produce", topic, "--bootstrap-server", servers, "--session", str(tmp_path / "s")]
    command += [] if name is None else ["--transactional-id", name]
    for number in range(1, KILLS + 1):
        part = len(LINES) * number // (KILLS + 1)
        with Command(*command, stdin=PIPE) as running:
            assert running.stdin is not None
            running.stdin.write(b"\n".join(LINES[:part]) + b"\n")
            running.stdin.flush()
            # So much was stored by the one before, and a part of what this one has got.
            before = len(LINES) * (number - 1) // (KILLS + 1)
            asyncio.run(stored(servers, topic, at_least=before + 1))
            running.kill()
    done = run(*command, text=b"\n".join(LINES) + b"\n")
    assert done.returncode == 0, done.stderr
    parts = asyncio.run(stored(servers, topic, at_least=len(LINES)))
    assert sorted(line for part in parts for line in part) == LINES
    assert all(part == sorted(part) for part in parts), "in order"


def test_of_two_copies_the_newest_goes_on(kafka: RealKafka, tmp_path: Path) -> None:
    servers = kafka.bootstrap_servers
    asyncio.run(create(servers, "copied"))

    def produced(directory: str, count: int) -> tuple[int, bytes]:
        session = ("--session", str(tmp_path / directory), "--transactional-id", "copied")
        text = b"".join(line + b"\n" for line in LINES[:count])
        done = run("produce", "copied", "--bootstrap-server", servers, *session, text=text)
        return done.returncode, done.stderr

    assert produced("first", 10)[0] == 0
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    assert produced("second", 20)[0] == 0
    code, said = produced("first", 20)
    assert code == 1
    assert b"was gone on with elsewhere" in said
    parts = asyncio.run(stored(servers, "copied", at_least=20))
    assert sorted(line for part in parts for line in part) == LINES[:20]
