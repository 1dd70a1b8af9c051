"""EDGE: one run: four workers of process(), killed at random, on any Kafka; then the judgement.

    found, line = await play("127.0.0.1:9092", seed, Path("logs"))

1. workers start, and numbers are written, some of them in transactions that are aborted, as long
   as there are blows
2. at random instants one of them gets SIGKILL, SIGTERM, or SIGSTOP for longer than
   its session lasts, and another one starts under its name, sometimes before it is gone
3. when the group has committed everything, the workers are stopped, and all that read_committed
   shows is held against what must be there
Who kills brokers does so in `disturb`, which runs beside step 2.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from minibroker.client import (
    Abortable,
    Admin,
    ClientError,
    Consumer,
    Producer,
    Retriable,
    TopicPartition,
)

from tests.crash.processing.worker import FENCED, MAX_BLOCK_MS, PARTITIONS, Task, work
from tests.support.process_worlds.work import findings, wanted_dead_letters, wanted_outputs

WORKERS = 4
BLOWS = (2, 4, 6)
REST_S = (0.05, 1.2)
STILL_S = 120.0
STOP_S = 60.0
LOOK_S = 0.1
PORTIONS = (1, 20, 100)  # of the numbers that are written in any case, one a transaction
WRITING_S = 0.1
LATER_PORTIONS = (1, 5, 20)  # while there are blows still
LATER_WRITING_S = 0.4
VISIBLE_S = 30.0  # what is missing by then stays missing
READ_MS = 100  # where nothing is left but markers, nothing comes
SESSION_MS = 1_000  # group.min.session.timeout.ms of the broker has to allow it
ABORTED = b"-1"
MAY_END_WITH = (0, -signal.SIGKILL, -signal.SIGTERM)  # the last: before it had begun to listen
PRELOADED = ["tests.crash.processing.worker", "minibroker.client.processing.process"]
QUOTED_CHARS = 3_000


class Workers:
    """The processes of one run, by name; those that were fenced or stopped among them."""

    def __init__(self, task: Task, random: Random, logs: Path) -> None:
        self.wrong: list[str] = []
        self.told = dict.fromkeys(("SIGKILL", "SIGTERM", "SIGSTOP", "overlap", "fenced"), 0)
        self._task = task
        self._random = random
        self._logs = logs
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        self._running: dict[str, ForkServerProcess] = {}
        self._frozen: list[ForkServerProcess] = []
        self._ended: list[tuple[str, ForkServerProcess]] = []

    def log_of(self, name: str) -> Path:
        """Where a worker writes."""
        return self._logs / f"{self._task.group}-{name}.log"

    def start(self, name: str) -> None:
        """Start one, beside whoever has the name still."""
        seed = self._random.getrandbits(32)
        made = self._context.Process(
            target=work, args=(self._task, name, seed, self.log_of(name)), daemon=True
        )
        made.start()
        self._running[name] = made

    async def strike(self) -> None:
        """Something happens to one of them, and it is there again, sooner or later."""
        name = self._random.choice([*self._running])
        hit = self._running[name]
        blow = self._random.choice(("SIGKILL", "SIGKILL", "SIGTERM", "SIGSTOP", "overlap"))
        self.told[blow] += 1
        if blow == "overlap":  # its successor starts, and fences it
            self.start(name)
            self._ended.append((name, hit))
            return
        self._send(hit, getattr(signal, blow))
        if blow == "SIGSTOP":
            if self._random.random() < 0.5:
                self.start(name)
                self._ended.append((name, hit))
            self._frozen.append(hit)
            return
        if blow == "SIGKILL":
            await self._until_gone(hit)
        else:
            self._ended.append((name, hit))
        if self._random.random() < 0.3:
            await asyncio.sleep(self._random.uniform(*REST_S))
        self.start(name)

    def thaw(self) -> None:
        """Whoever was stopped goes on."""
        frozen, self._frozen = self._frozen, []
        for each in frozen:
            self._send(each, signal.SIGCONT)

    async def finish(self) -> None:
        """Stop all of them; whoever has not ended well is noted."""
        self.thaw()
        everybody = [*self._running.items(), *self._ended]
        for _, each in everybody:  # a predecessor that had nothing to do since is not fenced yet
            self._send(each, signal.SIGTERM)
        for name, each in everybody:
            await self._until_gone(each)
            self._judge(name, each)

    def kill(self) -> None:
        """None of them is left."""
        for each in [*self._running.values(), *(one for _, one in self._ended)]:
            if each.is_alive():
                each.kill()
                each.join()

    def look(self) -> None:
        """Start those again that were fenced by a predecessor of their name that came late."""
        for name, each in [*self._running.items()]:
            if each.exitcode is not None:
                self._judge(name, each)
                self.start(name)

    def _judge(self, name: str, each: ForkServerProcess) -> None:
        if each.exitcode == FENCED:
            self.told["fenced"] += 1
        elif each.exitcode not in MAY_END_WITH:
            log = self.log_of(name).read_text(encoding="utf-8")[-QUOTED_CHARS:]
            self.wrong.append(f"worker {name} ended with {each.exitcode}:\n{log}")

    async def _until_gone(self, each: ForkServerProcess) -> None:
        # Not by join() in a thread: 1. It is told that the process has ended, and has yet to read
        # how. 2. Here another one is started, which looks after all others, and reads it first.
        # 3. The thread finds nothing, and calls that exit code 255.
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(each.sentinel, gone.set)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await gone.wait()
        loop.remove_reader(each.sentinel)
        if each.exitcode is None:
            self.wrong.append(f"a worker still ran {STOP_S:g} s after it was stopped")
            each.kill()
            each.join()

    def _send(self, each: ForkServerProcess, number: int) -> None:
        if each.is_alive() and each.pid is not None:
            os.kill(each.pid, number)


async def at_a_time(jobs: int, one: Callable[[int], Awaitable[list[str]]], runs: range) -> int:
    """Every run, so many at a time, all in this thread; returns how much is wrong."""
    left, wrong = iter(runs), 0

    async def some() -> None:
        nonlocal wrong
        for each in left:
            found = await one(each)
            wrong += len(found)  # not in one: the sum would be as of before the run

    async with asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(some())
    return wrong


async def play(
    servers: str,
    seed: int,
    logs: Path,
    *,
    count: int = 300,
    replication_factor: int = 1,
    session_ms: int = SESSION_MS,
    disturb: Callable[[str], Awaitable[None]] | None = None,
) -> tuple[list[str], str]:
    """Everything above; returns what is wrong, and a line about the run.

    Args:
        logs: a directory, where what the workers write is kept.
        count: so many numbers are written, and more as long as there are blows.
        disturb: hurts the brokers, and leaves them whole; it is given the run's name, with which
            its topics, its group and the ids of its workers begin.
    """
    random = Random(f"processing {seed}")
    name = f"p{seed}-{os.getpid()}"
    task = Task(
        servers,
        *(f"{name}-in", f"{name}-out", f"{name}-dead", f"{name}-group"),
        strategy=random.choice((("range",), ("cooperative-sticky",), ("range", "roundrobin"))),
        is_static=random.random() < 0.3,
        session_ms=session_ms,
        transaction_timeout_ms=random.choice((2_000, 10_000, 60_000)),
    )
    phases = Phases()
    await _create_topics(task, replication_factor)
    workers, are_over = Workers(task, random, logs), asyncio.Event()

    async def blows() -> None:
        await asyncio.gather(_strike(workers, random), *([disturb(name)] if disturb else []))
        are_over.set()

    try:
        for number in range(WORKERS):
            workers.start(f"w{number}")
        count, _ = await asyncio.gather(_write(task, Random(seed), count, are_over), blows())
        phases.end("blows")
        ends = await _ends(task, count)
        phases.end("visible")
        await _until_done(task, workers, ends)
        phases.end("done")
        await workers.finish()
        phases.end("stopped")
    finally:
        workers.kill()
    outputs = await _read(task, task.target, len(wanted_outputs(count)))
    dead = await _read(task, task.dead, len(wanted_dead_letters(count)))
    letters = [value for values in dead.values() for value in values]
    found = [*workers.wrong, *findings(count, outputs, letters)]
    if not found:  # hundreds of runs, and each start of a node would look through all they left
        await _delete_topics(task)
    phases.end("judged")
    told = ", ".join(f"{each} {times}" for each, times in workers.told.items() if times)
    kind = "static, " if task.is_static else ""
    return found, f"seed {seed}: {kind}{'/'.join(task.strategy)}; {count}; {told}; {phases.told}"


class Phases:
    """How long the parts of a run took."""

    def __init__(self) -> None:
        self._ended = self._began = time.monotonic()
        self._parts: list[str] = []

    def end(self, name: str) -> None:
        """A part is over, and the next one begins."""
        before, self._ended = self._ended, time.monotonic()
        self._parts.append(f"{name} {self._ended - before:.1f}")

    @property
    def told(self) -> str:
        """All of it, and the parts."""
        return f"{self._ended - self._began:.1f} s ({', '.join(self._parts)})"


async def _strike(workers: Workers, random: Random) -> None:
    for _ in range(random.choice(BLOWS)):
        await asyncio.sleep(random.uniform(*REST_S))  # the instant is the draw
        await workers.strike()
        if random.random() < 0.5:
            await asyncio.sleep(random.uniform(*REST_S))
            workers.thaw()
    workers.thaw()


async def _create_topics(task: Task, replication_factor: int) -> None:
    async with Admin(task.servers) as admin:
        for topic in (task.source, task.target, task.dead):
            await admin.create_topic(
                topic, num_partitions=PARTITIONS, replication_factor=replication_factor
            )


async def _delete_topics(task: Task) -> None:
    async with Admin(task.servers) as admin:
        await admin.delete_topics((task.source, task.target, task.dead))


class _GivenUp(Exception):
    """A transaction of the writer is to be aborted."""


async def _write(task: Task, random: Random, count_min: int, are_over: asyncio.Event) -> int:
    """Write numbers as long as there are blows, beside them; returns how many."""
    async with Producer(
        task.servers, transactional_id=f"{task.group} writer", max_block_ms=MAX_BLOCK_MS
    ) as producer:
        number = 0
        while number < count_min or not are_over.is_set():
            is_early = number < count_min
            is_commit = random.random() < 0.8
            end = number + random.choice(PORTIONS if is_early else LATER_PORTIONS)
            with suppress(Abortable, _GivenUp):  # the same numbers again
                async with producer.transaction() as tx:
                    for each in range(number, end):
                        value = b"%d" % each if is_commit else ABORTED
                        key = b"%d" % each
                        await tx.send(task.source, value, key=key, partition=each % PARTITIONS)
                    if not is_commit:
                        raise _GivenUp
                number = end
            pause_s = WRITING_S if is_early else LATER_WRITING_S
            await asyncio.sleep(random.expovariate(1 / pause_s))
        return number


async def _until_done(task: Task, workers: Workers, ends: dict[TopicPartition, int]) -> None:
    """Wait until the group has committed all that read_committed shows."""
    deadline = time.monotonic() + STILL_S
    left: dict[TopicPartition, int] = {}
    before: object = None
    async with Admin(task.servers) as admin:
        while True:
            workers.look()
            committed = await _positions(admin, task)
            left = {place: last for place, last in ends.items() if committed.get(place, 0) <= last}
            if not left:
                return
            if committed != before:
                before, deadline = committed, time.monotonic() + STILL_S
            if time.monotonic() > deadline:
                gone = f"nothing committed for {STILL_S:g} s"
                workers.wrong.append(f"hanging: {left}, {gone}")
                return
            await asyncio.sleep(LOOK_S)


async def _positions(admin: Admin, task: Task) -> dict[TopicPartition, int]:
    """What the group has committed; nothing while nobody can be asked."""
    try:
        found = await admin.list_group_offsets(task.group)
    except ClientError:
        return {}
    return {place: each.offset for place, each in found.items()}


async def _ends(task: Task, count: int) -> dict[TopicPartition, int]:
    """The offset of the last committed record of each partition, once all numbers are there."""
    return {place: offset for place, offset, _ in await _all_of(task, task.source, count)}


async def _read(task: Task, topic: str, count: int) -> dict[int, list[bytes]]:
    """The values of each partition."""
    values: dict[int, list[bytes]] = {each: [] for each in range(PARTITIONS)}
    for place, _, value in await _all_of(task, topic, count):
        values[place.partition].append(value)
    return values


async def _all_of(task: Task, topic: str, count: int) -> list[tuple[TopicPartition, int, bytes]]:
    """What read_committed shows, when that is as much as it is to be, or some time later."""
    # 1. A commit is answered before its markers are written, on a busy Kafka by a second. 2. Looked
    # at now, the writer's last numbers are not there. 3. The workers are done, and are stopped,
    # before they have read them: their outputs would be missed.
    until = time.monotonic() + VISIBLE_S
    asked_until = time.monotonic() + STILL_S
    while True:
        try:
            seen = [each async for each in _committed(task, topic)]
        except Retriable:  # a node is gone, or has come back and knows less than the others
            if time.monotonic() > asked_until:
                raise
            until = time.monotonic() + VISIBLE_S
        else:
            if len(seen) >= count or time.monotonic() > until:
                return seen
        await asyncio.sleep(LOOK_S)


async def _committed(task: Task, topic: str) -> AsyncIterator[tuple[TopicPartition, int, bytes]]:
    """(partition, offset, value) of everything that read_committed shows."""
    async with Consumer(
        bootstrap_servers=task.servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    ) as consumer:
        places = [TopicPartition(topic, each) for each in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for place, records in (await consumer.getmany(timeout_ms=READ_MS)).items():
                for each in records:
                    yield place, each.offset, each.value or b""
