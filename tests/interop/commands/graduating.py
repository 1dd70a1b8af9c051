"""Load and commands of a graduation that is played: producers, groups, `graduate` that is killed.

Used by test_graduation.py (from ours) and test_graduation_back.py (to ours).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from minibroker.client import Admin, Consumer, Producer, Retriable, TopicPartition
from minibroker.client.admin import ConfigResource
from minibroker.client.cluster.list_offsets import LATEST

from tests.interop.matrix.environments import EnvironmentMissing
from tests.support.processes.broker import RUN
from tests.support.processes.held_command import HELD
from tests.support.processes.kafka import missing_tools
from tests.support.processes.mirror import Mirror, mirror_maker
from tests.support.repository import ROOT

BEGAN_AT = time.monotonic()
PARTITIONS = 12
TOPIC = "orders"
GROUPS = ("billing", "shipping")
RATE = float(os.environ.get("RATE", "100"))  # records of each producer, a second
STEP_TIMEOUT_S = 400
HELD_PROGRAM = "tests.support.processes.held_command"
# Moments of `graduate`, as held_command.py takes them.
LOOKING = ("minibroker.cli.graduating.following:Following.ends", "1", "behind")
SAVING = "minibroker.cli.graduating.kept:Kept.save"
MOVING = "minibroker.client:Admin.alter_group_offsets"


def skip_without_tools() -> None:
    """Skip, with the reason, where no Kafka and no MirrorMaker can run."""
    if (reason := missing_tools()) is not None:
        pytest.skip(reason)
    try:
        mirror_maker()
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))


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
        self._servers, self.directory = (old, new), directory
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

    async def kill_behind(self, path: Path) -> None:
        """Begin, and be killed once a file is there."""
        process = await self._start()
        await until(path.exists, f"{path.name}")
        await self._kill(process)

    async def kill_verifying(self, verified: Path) -> None:
        """Begin, and be killed once it has written down, anew, how far all is the same.

        It must have more to wait for: a mirror that is dead, and producers that write.
        """
        before = inode_of(verified)
        process = await self._start()
        await until(lambda: inode_of(verified) not in (0, before), f"a new {verified.name}")
        await self._kill(process)

    async def kill_at(
        self,
        moment: tuple[str, str, str],
        *options: str,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin, hold still at a moment, and be killed there, after `meanwhile`."""
        program = ("-m", HELD_PROGRAM, *moment)
        process = await self._start(*options, program=program)
        assert process.stderr is not None
        said = b""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while HELD.encode() not in said:
                line = await process.stderr.readline()
                said += line
                assert line, f"it ended before {moment}: {said.decode()}"
        await asyncio.to_thread(meanwhile)
        await self._kill(process)

    async def _kill(self, process: asyncio.subprocess.Process) -> None:
        assert process.returncode is None, "it has ended before it could be killed"
        process.kill()
        await process.communicate()
        assert process.returncode == -9
        self.kills += 1

    async def compare(self, *options: str) -> int:
        """The exit code of `minibroker compare`."""
        words = ("compare", *self._servers, "--by", "order", *options)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, *words)
        async with asyncio.timeout(STEP_TIMEOUT_S):
            return await process.wait()

    async def _start(
        self, *options: str, program: tuple[str, ...] = ("-c", RUN)
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, *program, *self._words, *options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )


def inode_of(path: Path) -> int:
    """Another one each time that a file is replaced; 0 while it is not there."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def close_what_is_left() -> None:
    """kafka-python leaves the sockets of attempts that failed open: nothing is their own end."""
    sockets = [each for each in gc.get_objects() if type(each) is socket.socket]
    for each in sockets:
        is_open = each.family == socket.AF_INET and each.fileno() >= 0
        if is_open and each.getsockname()[0] == "0.0.0.0":
            each.close()


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


async def copied(servers: str) -> int:
    """How many offsets are taken in the new cluster."""
    places = dict.fromkeys((TopicPartition(TOPIC, i) for i in range(PARTITIONS)), LATEST)
    async with Admin(servers) as admin:
        if TOPIC not in await admin.list_topics():
            return 0
        return sum(each.offset for each in (await admin.list_offsets(places)).values())


async def until_copied(servers: str, count: int, mirror: Mirror) -> None:
    """Until so many offsets are taken in the new cluster."""

    async def is_copied() -> bool:
        assert mirror.is_running, mirror.said
        return await copied(servers) >= count

    await until_told(is_copied, f"{count} copies")


async def until_told(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    """Ask until something is so, with a bound."""
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while not await is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something, with a bound."""
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while not is_so():  # noqa: ASYNC110  counts, kept by others
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


async def read_to_the_end(load: Load, groups: Sequence[Group], servers: str, mirrored: int) -> int:
    """Some records that are of the new cluster alone, and all of them read: how many there are.

    What was acknowledged is stored once each, and each group was given it once, over all clusters.
    """
    for group in groups:
        group.start(servers)
    await until(lambda: len(load.acknowledged) > mirrored + 200, "records of the new cluster alone")
    await load.stop()
    count = len(load.acknowledged)
    await until(
        lambda: all(len(group.given) >= count for group in groups), "groups that have read all"
    )
    for group in groups:
        await group.stop()
    once = dict.fromkeys(load.acknowledged, 1)
    assert await stored(servers) == once
    for group in groups:
        assert group.given == once, f"{group.group_id} was not given each record once"
    return count


async def stored(servers: str) -> Counter[bytes]:
    """Every value in the new cluster that is committed, and how often it is there."""
    places = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]
    return Counter(each or b"" for each in await read_all(servers, places))


async def read_all(servers: str, places: list[TopicPartition]) -> list[bytes | None]:
    """Every value in these that is committed."""
    found: list[bytes | None] = []
    async with Consumer(
        bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(places)
        async with asyncio.timeout(STEP_TIMEOUT_S):
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += [each.value for each in records]
    return found
