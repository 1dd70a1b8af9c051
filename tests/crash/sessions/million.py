"""EDGE: python -m tests.crash.sessions.million LINES SEED: a file through `produce --session`.

The command is killed KILLS times and the broker BROKER_KILLS times, at random, and both are begun
again. Then each partition is read to its end. Lines are numbered, so the partitions are merged by
number into one text (a partition out of order gives another text), and that has to be the file,
byte for byte.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from minibroker.client import Admin, Consumer, TopicPartition

from tests.support.processes.broker import BrokerProcess

KILLS = 20
BROKER_KILLS = 5
PARTITIONS = 4
TOPIC = "lines"
FINISH_S = 1_200.0
BEGIN_S = 60.0
LOOK_S = 0.02
GROWN_BYTES = 10_000


def write_source(path: Path, count: int, random: Random) -> None:
    """Numbered lines of 10 to 90 bytes."""
    with path.open("wb") as file:
        for number in range(count):
            file.write(b"%09d %s\n" % (number, b"x" * random.randrange(80)))


def command(servers: str, source: Path, session: Path) -> list[str]:
    """As somebody would type it."""
    words = ["produce", TOPIC, "--bootstrap-server", servers, "--file", str(source)]
    return [sys.executable, "-m", "minibroker", *words, "--session", str(session)]


def kill_often(
    broker: BrokerProcess, line: list[str], session: Path, random: Random, within_s: float
) -> tuple[int, int]:
    """Begin and kill the command KILLS times, if it lasts; how often it and the broker were."""
    hurt = set(random.sample(range(KILLS), BROKER_KILLS))
    killed = broker_killed = 0
    while killed < KILLS:
        with subprocess.Popen(line, stderr=subprocess.DEVNULL) as running:
            wait_for_growth(running, session / "journal")
            wait(running, random.uniform(0, within_s))
            if killed in hurt:
                hurt.discard(killed)
                broker_killed += 1
                broker.kill()
                broker.start()
                wait(running, random.uniform(0, within_s))
            if running.poll() == 0:
                break
            killed += running.poll() is None  # else the broker was away when it began
            running.kill()
    return killed, broker_killed


def wait_for_growth(running: subprocess.Popen[bytes], journal: Path) -> None:
    """Until it has begun to send."""
    least = size_of(journal)
    deadline = time.monotonic() + BEGIN_S
    while time.monotonic() < deadline and running.poll() is None:
        least = min(least, size_of(journal))  # a start writes it anew
        if size_of(journal) > least + GROWN_BYTES:
            return
        wait(running, LOOK_S)


def size_of(journal: Path) -> int:
    """Of what is there now."""
    try:
        return journal.stat().st_size
    except FileNotFoundError:
        return 0


def wait(running: subprocess.Popen[bytes], seconds: float) -> None:
    """For its end, so long at most."""
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        return


async def read(servers: str) -> tuple[list[list[bytes]], int]:
    """Each partition's lines in the order of offsets, and how many there are."""
    places = [TopicPartition(TOPIC, each) for each in range(PARTITIONS)]
    stored: list[list[bytes]] = [[] for _ in places]
    async with Consumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(each) < ends[each] for each in places]):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                stored[place.partition] += [record.value or b"" for record in records]
    return stored, sum(map(len, stored))


async def create(servers: str) -> None:
    """The topic."""
    async with Admin(servers) as admin:
        await admin.create_topic(TOPIC, num_partitions=PARTITIONS)


def main(arguments: list[str]) -> int:
    """See the file's docstring."""
    count, seed = (int(each) for each in arguments)
    random = Random(seed)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as directory,
        BrokerProcess(data_dir=Path(directory) / "data", durability="page-cache") as broker,
    ):
        source, session = Path(directory) / "source", Path(directory) / "session"
        write_source(source, count, random)
        asyncio.run(create(broker.bootstrap_servers))
        line = command(broker.bootstrap_servers, source, session)
        killed, hurt = kill_often(broker, line, session, random, count / 4_000_000)
        last = subprocess.run(line, timeout=FINISH_S, check=True, capture_output=True, text=True)
        stored, stored_count = asyncio.run(read(broker.bootstrap_servers))
        merged = hashlib.sha256()
        for each in heapq.merge(*stored):
            merged.update(each + b"\n")
        is_same = merged.hexdigest() == hashlib.sha256(source.read_bytes()).hexdigest()
    print(
        f"{count} lines, {stored_count} stored, the command killed {killed} times, the broker "
        f"{hurt} times, SEED={seed}: "
        f"{'byte-identical' if is_same else 'NOT THE SAME'}; last said: {last.stderr.strip()}; "
        f"{time.monotonic() - began:.0f} s"
    )
    return 0 if is_same and (killed, hurt) == (KILLS, BROKER_KILLS) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
