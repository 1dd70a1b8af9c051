"""docs/graduate.md played under load: from ours to three nodes of Apache Kafka, nothing lost.

Two producers and two groups are at work. MirrorMaker is killed while it copies, ours is killed, and
`graduate` is killed in each of its steps and called again. Judged by what was acknowledged, by what
each group was given, and by `compare`. `make graduate` plays it (RATE, SEED, NODES, PAUSE).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from minibroker.client import Admin, Consumer, Producer, Retriable, TopicPartition
from minibroker.client.admin import ConfigResource
from minibroker.client.cluster.list_offsets import LATEST

from tests.interop.matrix.environments import EnvironmentMissing
from tests.support.processes.broker import RUN, BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.processes.mirror import Mirror, mirror_maker

BEGAN_AT = time.monotonic()
PARTITIONS = 12
TOPIC = "orders"
GROUPS = ("billing", "shipping")
RATE = float(os.environ.get("RATE", "100"))  # records of each producer, a second
NODES = int(os.environ.get("NODES", "3"))
SEED = int(os.environ.get("SEED", "1"))
PAUSE_MAX_S = float(os.environ.get("PAUSE", "5"))
STEP_TIMEOUT_S = 400


class Load:
    """Two producers, each with numbered values of its own; what was acknowledged.

    Attributes:
        acknowledged: values, once for each acknowledgement.
        first_at, newest_at: of the acknowledgements since it was started, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.acknowledged: Counter[bytes] = Counter()
        self.first_at = self.newest_at = 0.0
        self._number = 0
        self._stop = threading.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, servers: str) -> None:
        """Begin to send."""
        self.first_at = 0.0
        self._stop = threading.Event()
        theirs = asyncio.to_thread(self._kafka_python, servers, self._stop)
        self._tasks = [
            asyncio.create_task(self._ours(servers, self._stop)),
            asyncio.create_task(theirs),
        ]

    async def stop(self) -> None:
        """End; all that was sent has been acknowledged."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    def _took(self, value: bytes) -> None:
        self.acknowledged[value] += 1
        self.newest_at = time.monotonic()
        self.first_at = self.first_at or self.newest_at

    def _next(self, kind: str) -> bytes:
        self._number += 1
        return f"{kind}-{self._number}".encode()

    async def _ours(self, servers: str, stop: threading.Event) -> None:
        async with Producer(servers) as producer:
            while not stop.is_set():
                value = self._next("ours")
                await producer.send_and_wait(TOPIC, value, key=value, headers=[("h", value)])
                self._took(value)
                await asyncio.sleep(1 / RATE)

    def _kafka_python(self, servers: str, stop: threading.Event) -> None:
        from kafka import KafkaProducer

        producer = KafkaProducer(
            bootstrap_servers=servers.split(","), acks="all", enable_idempotence=True
        )
        try:
            while not stop.wait(1 / RATE):
                value = self._next("python")
                producer.send(TOPIC, value, key=value).get(timeout=120)
                self._took(value)
        finally:
            producer.close()


class Group:
    """A consumer of a group; what it was given, over all its starts."""

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.given: Counter[bytes] = Counter()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, servers: str) -> None:
        """Begin to read, and to commit what was read."""
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._read(servers, self._stop))

    async def stop(self) -> None:
        """Commit, and leave the group."""
        assert self._task is not None
        self._stop.set()
        await self._task

    async def _read(self, servers: str, stop: asyncio.Event) -> None:
        async with Consumer(
            TOPIC,
            bootstrap_servers=servers,
            group_id=self.group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        ) as consumer:
            while not stop.is_set():
                found = await consumer.getmany(timeout_ms=200)
                for records in found.values():
                    self.given.update(each.value or b"" for each in records)
                if found:
                    await _persist(consumer.commit)


async def _persist(act: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await act()
            except Retriable:
                await asyncio.sleep(0.1)
            else:
                return


class Command:
    """`minibroker graduate`, as a process that can be killed."""

    def __init__(self, old: str, new: str, directory: Path) -> None:
        self._servers = (old, new)
        words = ("graduate", "--bootstrap-server", old, "--to", new, "--json")
        self._words = (*words, "--directory", str(directory))
        self.kills = 0

    async def run(self, *options: str) -> dict[str, Any]:
        """To its end. The document that it prints."""
        process = await self._start(*options)
        async with asyncio.timeout(STEP_TIMEOUT_S):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        document: dict[str, Any] = json.loads(out)
        return document

    async def kill_after(self, seconds: float, *options: str) -> None:
        """Begin, and be killed."""
        process = await self._start(*options)
        try:
            async with asyncio.timeout(seconds):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            self.kills += 1

    async def kill_behind(self, path: Path) -> None:
        """Begin, and be killed once a file is there."""
        process = await self._start()
        await until(path.exists, f"{path.name}")
        process.kill()
        await process.wait()
        self.kills += 1

    async def compare(self) -> int:
        """The exit code of `minibroker compare`; groups have gone on, and are left out."""
        words = ("compare", *self._servers, "--by", "order", "--b-goes-on", "--no-groups")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, *words)
        async with asyncio.timeout(STEP_TIMEOUT_S):
            return await process.wait()

    async def _start(self, *options: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RUN, *self._words, *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore::DeprecationWarning:importlib.resources")
@pytest.mark.filterwarnings("ignore:read_text is deprecated")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_from_ours_to_three_nodes_under_load(tmp_path: Path) -> None:
    if (reason := missing_tools()) is not None:
        pytest.skip(reason)
    try:
        mirror_maker()
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    with (
        BrokerProcess(data_dir=tmp_path / "data", durability="fsync") as ours,
        RealKafka(
            nodes=NODES, heap="512m", settings={"min.insync.replicas": str(min(2, NODES))}
        ) as kafka,
    ):
        await play(ours, kafka.bootstrap_servers, tmp_path / "graduate")
    gc.collect()  # kafka-python leaves sockets open: said here, where it is let pass


async def play(ours: BrokerProcess, new: str, directory: Path) -> None:
    """The whole way, with all that may go wrong on it."""
    random, old = Random(SEED), ours.bootstrap_servers
    command, load = Command(old, new, directory), Load()
    groups = [Group(name) for name in GROUPS]
    async with Admin(old) as admin:
        configs = {"retention.ms": "864000000"}
        await admin.create_topic(TOPIC, num_partitions=PARTITIONS, configs=configs)
        before = await described(old)
    for group in groups:
        group.start(old)
    load.start(old)
    await command.kill_behind(directory / "mirror.properties")
    with Mirror(directory / "mirror.properties") as mirror:
        await until_copied(new, 200, mirror)
        tell("copying; MirrorMaker and ours are killed")
        mirror.kill()
        await asyncio.to_thread(ours.kill)
        await asyncio.to_thread(ours.start)
        mirror.start()
        await command.kill_after(random.uniform(1, 6))
        assert (await command.run())["step"] == "mirrored"
        tell("caught up; producers stop")
        await command.kill_after(random.uniform(0.5, 2), "--producers-stopped")
        await load.stop()
        stopped_at = load.newest_at
        assert (await command.run("--producers-stopped"))["step"] == "switched"
        load.start(new)
        await until(lambda: load.first_at > 0, "an acknowledgement of the new cluster")
        pause_s = load.first_at - stopped_at
        tell(f"producers write to the new cluster after {pause_s:.2f} s")
        for group in groups:
            await group.stop()
        await command.kill_after(random.uniform(0.5, 2), "--consumers-stopped")
        told = await command.run("--consumers-stopped")
        tell("groups are moved")
        for group in groups:
            group.start(new)
    assert (told["step"], told["equal"], sorted(told["groups"])) == ("moved", True, [*GROUPS])
    copied = told["records"]
    await until(lambda: len(load.acknowledged) > copied + 200, "records of the new cluster alone")
    await load.stop()
    count = len(load.acknowledged)
    await until(
        lambda: all(len(group.given) >= count for group in groups), "groups that have read all"
    )
    for group in groups:
        await group.stop()
    tell(
        f"{count} records, {copied} of them mirrored; pause {pause_s:.2f} s; "
        f"graduate was killed {command.kills} times"
    )
    once = dict.fromkeys(load.acknowledged, 1)
    assert await stored(new) == once
    for group in groups:
        assert group.given == once, f"{group.group_id} was not given each record once"
    assert await described(old) == before
    assert await command.compare() == 0
    assert command.kills >= 2
    assert pause_s < PAUSE_MAX_S


def tell(text: str) -> None:
    """Where it is, for who waits."""
    print(f"{time.monotonic() - BEGAN_AT:6.1f} s  {text}", flush=True)


async def described(servers: str) -> dict[str, dict[str, str | None]]:
    """Topics, and what their properties are."""
    async with Admin(servers) as admin:
        topics = await admin.list_topics(list_internal=True)
        return {
            name: {
                key: each.value
                for key, each in (await admin.describe_configs(ConfigResource.topic(name))).items()
            }
            for name in topics
            if not name.startswith("__")
        }


async def until_copied(servers: str, count: int, mirror: Mirror) -> None:
    """Until so many offsets are taken in the new cluster."""
    places = dict.fromkeys((TopicPartition(TOPIC, i) for i in range(PARTITIONS)), LATEST)
    async with Admin(servers) as admin, asyncio.timeout(STEP_TIMEOUT_S):
        while True:
            assert mirror.is_running, mirror.said
            if TOPIC in await admin.list_topics():
                found = await admin.list_offsets(places)
                if sum(each.offset for each in found.values()) >= count:
                    return
            await asyncio.sleep(0.5)


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something, with a bound."""
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while not is_so():  # noqa: ASYNC110  counts, kept by others
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def stored(servers: str) -> Counter[bytes]:
    """Every value in the new cluster that is committed, and how often it is there."""
    places = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]
    found: Counter[bytes] = Counter()
    async with Consumer(
        bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(places)
        async with asyncio.timeout(STEP_TIMEOUT_S):
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found.update(each.value or b"" for each in records)
    return found
