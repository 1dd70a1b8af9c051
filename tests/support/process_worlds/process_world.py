"""One run of workers of process() in simulated processes, decided by a seed.

    outcome = ProcessWorld(seed, durability="fsync", ends=("kill", "power")).run()

Each worker is a WorldLoop with our Consumer, our Producer and process() itself, as they are; so are
the writer and the reader. Workers die, stop, stand still for longer than a session, and come back
under their name, sometimes beside their predecessor; the broker crashes; connections are cut,
answers come late, coordinators are not there. Then all is well, everything must be done in a
bounded time, and what read_committed has shown is held against what must be there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from random import Random
from typing import Any

import pytest
from minibroker.client import (
    Abortable,
    Consumer,
    DeliveryTimeout,
    Producer,
    Retriable,
    TopicPartition,
    consumer,
    producer,
)
from minibroker.client.processing import batches

from tests.support.process_worlds.work import findings, wanted_dead_letters, wanted_outputs
from tests.support.process_worlds.workers import Habits, Worker
from tests.support.process_worlds.world_loop import Troubles, WorldLoop
from tests.support.worlds.crashing_world import CrashingWorld, Outcome
from tests.support.worlds.judging import create_topic

SOURCE, TARGET, DEAD = "source", "target", "dead"
SETTINGS = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 20,
    "group.min.session.timeout.ms": 1,
    "group.initial.rebalance.delay.ms": 0,
}
LONGEST_MS = 90_000.0  # from when all is well; longer than anybody's timeout
STOP_MS = 60_000.0
LENGTHS_MS = (500, 2_000, 5_000)
WRITES = 10  # transactions of the writer, or a few more


class ProcessWorld(CrashingWorld):
    """A machine with workers.

    Args:
        durability, ends: as for every CrashingWorld.
    """

    def __init__(self, seed: int, *, durability: str, ends: Sequence[str]) -> None:
        random = Random(f"process {seed} {durability} {ends}")
        settings = {**SETTINGS, "transaction.version": random.choice((2, 2, 2, 1, 0))}
        super().__init__(random, durability=durability, ends=ends, settings=settings)
        self.partitions = random.choice((1, 2, 4))
        self.count = random.choice((20, 50, 100))
        self.length_ms = random.choice(LENGTHS_MS)
        self.troubles = Troubles(
            random,
            refused=random.choice((0.0, 0.02, 0.2)),
            slow=random.choice((0.0, 0.02, 0.1)),
            slow_ms=random.choice((50, 500, 3_000)),
        )
        self.habits = Habits.drawn(random, self.partitions)
        self.seen: dict[TopicPartition, list[bytes]] = {}
        self.wrong: list[str] = []
        self.fenced = self.aborted = 0
        self._loops: list[WorldLoop] = []
        self._workers: dict[str, Worker] = {}
        self._predecessors: list[Worker] = []
        self._left = wanted_outputs(self.count) | wanted_dead_letters(self.count)

    def run(self) -> Outcome:
        """Let everything happen; returns what is wrong with it."""
        try:
            with self._decided_by_the_seed():
                self._start()
                if not self.is_over:
                    for topic in (SOURCE, TARGET, DEAD):
                        create_topic(self.machine, topic, self.partitions, {})
                    self._begin()
                    self._go_on()
        finally:
            for loop in self._loops:
                loop.bury()
        self.outcome.found += self.wrong
        self.outcome.acknowledged = self.count
        self.outcome.retries = self.fenced
        return self.outcome

    def look(self) -> None:
        """After a start of the broker: what was committed is judged at the end."""

    def loop(self) -> WorldLoop:
        """A new process."""
        made = WorldLoop(self.machine, self.troubles)
        self._loops.append(made)
        return made

    def ended(self, worker: Worker, error: BaseException | None) -> None:
        """A worker's process has come to its end."""
        if error is None:
            return
        if worker.was_fenced:
            self.fenced += 1
        elif not isinstance(error, Abortable | Retriable | DeliveryTimeout):
            self.wrong.append(f"{worker.name} ended with {error!r}")
        if self._workers.get(worker.name) is worker and not worker.is_stopped:
            self.machine.at(self.machine.now_ms + 10, lambda: self._come_back(worker.name))

    def _begin(self) -> None:
        random, machine = self.random, self.machine
        self._task(self._write())
        self._task(self._read())
        for number in range(random.choice((1, 2, 3, 4))):
            start = partial(self._come_back, f"w{number}")
            machine.at(random.uniform(0, self.length_ms / 2), start)
        for _ in range(random.choice((0, 1, 3, 6))):
            machine.at(random.uniform(0, self.length_ms), self._strike)
        for _ in range(random.choice((0, 2, 10))):
            machine.at(random.uniform(0, self.length_ms), self._cut_one)
        if random.random() < 0.6:
            self._draw_troubles(self.length_ms)
        machine.at(self.length_ms, self._all_is_well)

    def _go_on(self) -> None:
        machine = self.machine
        until_ms = self.length_ms + LONGEST_MS
        done = machine.run(until_ms, lambda: self.is_over or bool(self.wrong) or not self._left)
        if self.is_over or self.wrong:
            return
        if not done:
            some = sorted(self._left)[:5]
            self.wrong.append(f"hanging: {len(self._left)} outputs do not come, as {some}")
            return
        everybody = [*self._workers.values(), *self._predecessors]
        for each in everybody:
            each.stop()
        is_over = machine.run(
            machine.now_ms + STOP_MS, lambda: all(each.is_done for each in everybody)
        )
        if not is_over:
            names = [each.name for each in everybody if not each.is_done]
            self.wrong.append(f"hanging: {names} do not stop")
        self.wrong += [text for loop in self._loops for text in loop.failed]
        outputs = {p.partition: values for p, values in self.seen.items() if p.topic == TARGET}
        dead = [v for p, values in self.seen.items() if p.topic == DEAD for v in values]
        self.wrong += findings(self.count, outputs, dead)

    def _come_back(self, name: str) -> None:
        """A process starts under this name, whoever else may have it."""
        if name in self._workers and not self._workers[name].is_done:
            self._predecessors.append(self._workers[name])
        self.machine.note(f"{name} starts")
        self._workers[name] = Worker(self, name, self.habits, self.loop())

    def _strike(self) -> None:
        """Something happens to a worker."""
        if not self._workers:
            return
        name = self.random.choice(sorted(self._workers))
        hit, machine = self._workers[name], self.machine
        blow = self.random.choice(("kill", "kill", "stop", "freeze", "overlap"))
        machine.note(f"{blow} {name}")
        back_ms = machine.now_ms + self.random.choice((0.0, 50.0, 2 * self.habits.session_ms))
        if blow == "kill":
            hit.kill()
        elif blow == "stop":
            hit.stop()
        elif blow == "freeze":
            hit.loop.freeze()
            thaw_ms = self.random.choice((0.2, 0.9, 1.5, 4)) * self.habits.session_ms
            machine.at(machine.now_ms + thaw_ms, hit.loop.thaw)
            if self.random.random() < 0.5:
                return
        machine.at(back_ms, lambda: self._come_back(name))

    def _cut_one(self) -> None:
        loops = [each for each in self._loops if not each.is_dead]
        if loops:
            self.random.choice(loops).cut()

    def _all_is_well(self) -> None:
        self.machine.note("all is well")
        self.troubles.end()

    async def _write(self) -> None:
        """The inputs, some of them in transactions that are aborted first."""
        number, random = 0, self.random
        while number < self.count:
            with suppress(Retriable, Abortable):
                async with Producer("sim:9092", transactional_id="writer", **QUICK) as writes:
                    while number < self.count:
                        number = await self._write_some(writes, number)
                        # Beside all that happens, but for a rest at its end.
                        await asyncio.sleep(random.uniform(0, 2 * self.length_ms / WRITES) / 1000)

    async def _write_some(self, writes: Producer[bytes, bytes], number: int) -> int:
        random = self.random
        end = min(self.count, number + random.randint(1, 2 * self.count // WRITES))
        is_commit = random.random() < 0.8
        tx = writes.transaction()
        await tx.begin()
        try:
            for each in range(number, end):
                value = b"%d" % each if is_commit else b"-1"
                await tx.send(SOURCE, value, partition=each % self.partitions)
        except Abortable:
            is_commit = False
        await (tx.commit() if is_commit else tx.abort())
        return end if is_commit else number

    async def _read(self) -> None:
        """All that read_committed shows, as it comes."""
        while True:
            with suppress(Retriable):
                await self._read_on()

    async def _read_on(self) -> None:
        self.seen.clear()
        async with Consumer(
            bootstrap_servers="sim:9092", isolation_level="read_committed",
            auto_offset_reset="earliest", fetch_max_wait_ms=100, retry_backoff_ms=10,
        ) as reads:  # fmt: skip
            reads.assign(
                TopicPartition(topic, each)
                for topic in (TARGET, DEAD)
                for each in range(self.partitions)
            )
            while True:
                for place, records in (await reads.getmany(timeout_ms=1_000)).items():
                    values = [each.value or b"" for each in records]
                    self.seen.setdefault(place, []).extend(values)
                    self._left.difference_update(values)

    def _task(self, program: Coroutine[Any, Any, None]) -> None:
        """A process that nothing happens to."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                self.wrong.append(f"the writer or the reader ended with {task.exception()!r}")

        self.loop().create_task(program).add_done_callback(ended)

    @contextmanager
    def _decided_by_the_seed(self) -> Iterator[None]:
        """Clients draw from the seed, and look at the machine's wall clock."""
        with pytest.MonkeyPatch.context() as patch:
            for module in (consumer, producer, batches):
                patch.setattr(module, "Random", lambda: Random(self.random.getrandbits(64)))
            for module in (producer, batches):
                patch.setattr(module, "time", lambda: self.machine.wall_ms / 1000)
            yield


QUICK: dict[str, Any] = {
    "retry_backoff_ms": 5, "retry_backoff_max_ms": 50, "max_block_ms": 20_000, "linger_ms": 0,
}  # fmt: skip
