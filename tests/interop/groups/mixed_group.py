"""EDGE: one consumer group of clients of different make, whose members are killed at random.

Values are numbers, each sent once. A member notes each record it is handed in a file of its own
before it commits. Offsets are watched through Admin all the while. The seed decides who is started
and killed when; what the clients make of it is up to them.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from minibroker.client import Admin, ClientError, Producer, TopicPartition
from minibroker.client.cluster.list_offsets import LATEST

from tests.interop.matrix.environments import Runnable, java_class, node_packages

PARTITIONS = 12
MEMBERS_MAX = 6
PAUSE_S = (0.5, 4.0)  # between two decisions to start or kill
SEND_EVERY_S = 0.05
SENT_AT_ONCE = 20
WATCH_EVERY_S = 0.25
DRAIN_TIMEOUT_S = 120.0
QUOTED_BYTES = 3_000


def _python() -> Runnable:
    module = "tests.interop.matrix.programs.group_members"
    return Runnable((sys.executable, "-m", module), {})


def runnables(clients: Sequence[str]) -> dict[str, Runnable]:
    """How each client's member is started. Raises EnvironmentMissing for one that cannot be."""
    foreign: dict[str, Callable[[], Runnable]] = {
        "kafkajs": lambda: node_packages(
            "kafkajs-group", "group_member.js", "kafkajs.package.json"
        ),
        "java": lambda: java_class("java-group", "GroupMember.java"),
    }
    python = _python()
    return {
        name: foreign[name]()
        if name in foreign
        else Runnable((*python.command, name), python.environment)
        for name in clients
    }


@dataclass
class Outcome:
    """What has been seen of one run."""

    sent: int = 0
    handed: Counter[int] = field(default_factory=Counter)
    by_client: Counter[str] = field(default_factory=Counter)
    started: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    went_back: list[str] = field(default_factory=list)
    looks: int = 0
    lag: int = 0

    @property
    def missing(self) -> int:
        """Records sent that nobody was handed."""
        return self.sent - len(self.handed)

    def summary(self, assignor: str, seed: int) -> str:
        """One line for people."""
        per_client = ", ".join(
            f"{name} {self.started[name]} started {self.killed[name]} killed {count} records"
            for name, count in sorted(self.by_client.items())
        )
        again = self.handed.total() - len(self.handed)
        return (
            f"mixed group {assignor} seed={seed}: {self.sent} sent, {self.missing} missing, "
            f"{again} handed out again, {self.looks} looks at committed offsets, "
            f"{len(self.went_back)} went back, lag {self.lag} ({per_client})"
        )


@dataclass
class _Member:
    client: str
    path: Path
    process: subprocess.Popen[bytes]


class MixedGroup:
    """One run.

    Args:
        programs: by client name.
        folder: where members note what they were handed.
    """

    def __init__(
        self,
        bootstrap: str,
        programs: Mapping[str, Runnable],
        assignor: str,
        *,
        seed: int,
        folder: Path,
    ) -> None:
        self.bootstrap = bootstrap
        self.topic = self.group = f"mixed-{assignor}-{seed}"
        self.outcome = Outcome()
        self._programs = programs
        self._assignor = assignor
        self._random = Random(seed)
        self._folder = folder
        self._alive: list[_Member] = []
        self._files: list[tuple[str, Path]] = []
        self._over = asyncio.Event()

    async def run(self, seconds: float) -> Outcome:
        """Kill and start for so long, then let the survivors finish, bounded."""
        async with Admin(self.bootstrap) as admin:
            await admin.create_topic(self.topic, num_partitions=PARTITIONS)
            watching = asyncio.create_task(self._watch(admin))
            try:
                async with Producer(self.bootstrap) as producer:
                    sending = asyncio.create_task(self._send(producer))
                    await self._disturb(seconds)
                    self._over.set()
                    await sending
                await self._drain(admin)
            finally:
                self._over.set()
                for member in [*self._alive]:
                    self._kill(member)
                watching.cancel()
                await asyncio.wait({watching})
            if not watching.cancelled():
                watching.result()
        self._read()
        return self.outcome

    def said(self) -> str:
        """The end of what each member wrote to standard error."""
        texts = []
        for path in sorted(self._folder.glob("*.err")):
            text = path.read_text(errors="replace")[-QUOTED_BYTES:]
            texts.append(f"--- {path.name}\n{text}")
        return "\n".join(texts)

    async def _disturb(self, seconds: float) -> None:
        for client in self._programs:
            self._start(client)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(self._random.uniform(*PAUSE_S))
            if len(self._alive) < MEMBERS_MAX and self._random.random() < 0.6:
                self._start(self._random.choice([*self._programs]))
            elif len(self._alive) > 1:
                self._kill(self._random.choice(self._alive))

    def _start(self, client: str) -> None:
        path = self._folder / f"{len(self._files):03}-{client}.txt"
        runnable = self._programs[client]
        arguments = (self.bootstrap, self.topic, self.group, self._assignor, str(path))
        with path.with_suffix(".err").open("wb") as errors:
            process = subprocess.Popen(
                [*runnable.command, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        self._alive.append(_Member(client, path, process))
        self._files.append((client, path))
        self.outcome.started[client] += 1

    def _kill(self, member: _Member) -> None:
        if member.process.poll() is not None:
            text = f"{member.path.name} ended by itself with {member.process.returncode}"
            raise AssertionError(f"{text}\n{self.said()}")
        member.process.kill()
        member.process.wait(10)
        self._alive.remove(member)
        self.outcome.killed[member.client] += 1

    async def _send(self, producer: Producer) -> None:
        while not self._over.is_set():
            for _ in range(SENT_AT_ONCE):
                number = self.outcome.sent
                await producer.send(self.topic, b"%d" % number, partition=number % PARTITIONS)
                self.outcome.sent += 1
            await asyncio.sleep(SEND_EVERY_S)

    async def _watch(self, admin: Admin) -> None:
        while True:
            try:
                found = await admin.list_group_offsets(self.group)
            except ClientError:
                continue
            for place, each in found.items():
                before = self.outcome.committed.get(place, 0)
                if each.offset < before:
                    self.outcome.went_back.append(f"{place}: {before} -> {each.offset}")
                self.outcome.committed[place] = each.offset
            self.outcome.looks += 1
            await asyncio.sleep(WATCH_EVERY_S)

    async def _drain(self, admin: Admin) -> None:
        """Wait until all is committed, or DRAIN_TIMEOUT_S."""
        places = [TopicPartition(self.topic, index) for index in range(PARTITIONS)]
        ends = await admin.list_offsets(dict.fromkeys(places, LATEST))
        deadline = asyncio.get_running_loop().time() + DRAIN_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            committed = self.outcome.committed
            lags = [each.offset - committed.get(place, 0) for place, each in ends.items()]
            self.outcome.lag = sum(lags)
            if self.outcome.lag == 0:
                return
            await asyncio.sleep(WATCH_EVERY_S)

    def _read(self) -> None:
        for client, path in self._files:
            lines = path.read_text().splitlines() if path.exists() else []
            numbers = [int(line.split()[2]) for line in lines]
            self.outcome.handed.update(numbers)
            self.outcome.by_client[client] += len(numbers)
