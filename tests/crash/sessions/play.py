"""EDGE: rounds: a program with a durable session is killed, and killed again, until it is done.

A Play is one source and one session. Each round starts the program, kills it at random or has it
kill itself at an instant; in each third round the broker is killed as well, before the program,
while it is away, or after it has come back. The last round is let to its end; then the topic is
read: every line exactly once, in order in its partition, none missing.
"""

from __future__ import annotations

import asyncio
import json
import select
import time
from pathlib import Path
from random import Random
from subprocess import PIPE, TimeoutExpired

from minibroker.client import Admin, Consumer, TopicPartition
from minibroker.client.session.instants import Instant

from tests.crash.sessions.clusters import Cluster
from tests.crash.sessions.sending import Task
from tests.crash.sessions.source import partitions_of, wrong
from tests.support.processes.commands import BOUND_S, Command

MODULE = "tests.crash.sessions.sending"
COUNT = 3_000
PARTITIONS_MAX = 8
BEGIN_S = 90.0
FINISH_S = 180.0
ARMED_S = 8.0  # an instant that is not reached by then is none: SIGKILL
KILL_WITHIN_S = 0.6
READ_S = 60.0
BROKER_EVERY = 3


class Failed(Exception):
    """A life ended otherwise than by a kill or its end; quotes what it said."""


class Play:
    """One source, one session, one topic."""

    def __init__(self, cluster: Cluster, seed: int, directory: Path, count: int = COUNT) -> None:
        self.random = Random(seed)
        self.count = count
        self.partitions = self.random.randint(1, PARTITIONS_MAX)
        self.is_done = False
        self._cluster = cluster
        self._seed = seed
        self._directory = directory
        self._topic = f"t-{seed}"
        self._durability = self.random.choice(("fsync", "page-cache"))
        self._transactional_id = self.random.choice((None, None, self._topic))
        self._life = 0

    async def prepare(self) -> None:
        """Create the topic."""
        async with Admin(self._cluster.servers) as admin:
            await admin.create_topic(
                self._topic,
                num_partitions=self.partitions,
                replication_factor=self._cluster.replicas,
            )

    def round(self, number: int) -> str:
        """One round; returns its line. Raises Failed."""
        began_at = time.monotonic()
        hurts_broker = not (number + 1) % BROKER_EVERY
        task = self._task()
        with self._started(task) as life:
            begin = self._begun(life)
            killed = self._hurt(life) if hurts_broker else self._kill(life, task["instant"])
            self.is_done = self._ended(life)
        return (
            f"round {number}: {self._topic}, {self.partitions} partitions, "
            f"{self._durability}{', owned' if self._transactional_id else ''}, from line {begin}; "
            + ("done" if self.is_done else f"killed {killed}")
            + f"; {time.monotonic() - began_at:.1f} s"
        )

    def finish(self) -> list[str]:
        """Let it come to its end, then judge; returns what is wrong. Raises Failed."""
        if not self.is_done:
            with self._started(self._task(is_last=True)) as life:
                self._begun(life)
                self._wait(life, FINISH_S)
                if not self._ended(life):
                    raise Failed(f"{self._topic}: not done after {FINISH_S:.0f} s\n{_said(life)}")
        places = partitions_of(self._seed, self.count, self.partitions)
        return [f"{self._topic}: {each}" for each in wrong(places, asyncio.run(self._stored()))]

    def _task(self, *, is_last: bool = False) -> Task:
        random = self.random
        self._life += 1
        is_armed = random.random() < 0.5 and not is_last
        is_blocking = random.random() < 0.25
        return Task(
            servers=self._cluster.servers,
            directory=str(self._directory / "session"),
            topic=self._topic,
            count=self.count,
            partitions=self.partitions,
            seed=self._seed,
            life=random.randrange(2**32),
            options={
                "session_durability": self._durability,
                "transactional_id": self._transactional_id,
                "linger_ms": random.choice((0, 1, 5, 30)),
                "batch_size": random.choice((300, 1_000, 16_384)),
                "compression_type": random.choice(("none", "none", "gzip")),
                "retry_backoff_ms": 20,
                "reconnect_backoff_max_ms": 200,
            },
            is_blocking=is_blocking,
            step=0 if is_blocking else random.choice((0, 0, 2, 7)),
            instant=random.choice([*Instant]) if is_armed else "",
            nth=int(random.choice((1, 1, 2, random.uniform(1, 40)))),
        )

    def _started(self, task: Task) -> Command:
        return Command(json.dumps(task), stdout=PIPE, stderr=PIPE, program=MODULE)

    def _begun(self, life: Command) -> str:
        """Where it goes on; "?" if it died before it could say so."""
        assert life.stdout is not None
        readable, _, _ = select.select([life.stdout], [], [], BEGIN_S)
        if not readable:
            life.kill()
            raise Failed(f"{self._topic}: no beginning within {BEGIN_S:.0f} s\n{_said(life)}")
        return life.stdout.readline().decode().strip() or "?"

    def _kill(self, life: Command, instant: str) -> str:
        """End the program; returns where."""
        if instant:
            self._wait(life, ARMED_S)
            if life.poll() is not None:
                return f"at {instant}"
        self._wait(life, self.random.uniform(0, KILL_WITHIN_S))
        life.kill()
        return "at random"

    def _hurt(self, life: Command) -> str:
        """Kill broker and program, in one of three orders; returns which."""
        order = self.random.choice(("before the broker", "while it was away", "after the broker"))
        self._wait(life, self.random.uniform(0, KILL_WITHIN_S))
        if order == "before the broker":
            life.kill()
            self._cluster.kill()
            self._cluster.start()
            return order
        self._cluster.kill()
        if order == "while it was away":
            self._wait(life, self.random.uniform(0, KILL_WITHIN_S))
            life.kill()
            self._cluster.start()
            return order
        self._cluster.start()
        self._wait(life, self.random.uniform(0, KILL_WITHIN_S))
        life.kill()
        return order

    def _wait(self, life: Command, seconds: float) -> None:
        try:
            life.wait(seconds)
        except TimeoutExpired:
            return

    def _ended(self, life: Command) -> bool:
        """Whether it came to its end, rather than being killed. Raises Failed."""
        code = life.poll()
        if code is None:
            life.kill()
            code = life.wait(BOUND_S)
        assert life.stdout is not None
        if code == 0 and b"done" in life.stdout.read():
            return True
        if code != -9:
            raise Failed(f"{self._topic}: it ended with {code}\n{_said(life)}")
        return False

    async def _stored(self) -> dict[int, list[bytes | None]]:
        """All that the topic holds, by partition, read by a consumer."""
        places = [TopicPartition(self._topic, each) for each in range(self.partitions)]
        stored: dict[int, list[bytes | None]] = {each: [] for each in range(self.partitions)}
        async with Consumer(
            bootstrap_servers=self._cluster.servers, auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            async with asyncio.timeout(READ_S):
                while any([await consumer.position(each) < ends[each] for each in places]):
                    for place, records in (await consumer.getmany(timeout_ms=500)).items():
                        stored[place.partition] += [record.value for record in records]
        return stored


def _said(life: Command) -> str:
    assert life.stderr is not None
    return life.stderr.read()[-4_000:].decode()
