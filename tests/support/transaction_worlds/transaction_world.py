"""One run of transactional producers over a broker that crashes, decided by a seed.

    outcome = TransactionWorld(seed, durability="fsync", ends=("kill", "power")).run()

Applications of several instances each, old and new clients, zombies among them, write to the same
partitions, beside a plain writer and readers of both isolations; the wall clock is set, connections
are cut, the disk is full or fails, the broker crashes and starts. At the end each id is claimed
once more, so that nothing is open, and all that was told is held against all that can be read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random
from typing import TypeAlias

from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.testing import TransactionHistory, transaction_findings

from tests.support.transaction_worlds.our_transactions import OurTransactions
from tests.support.transaction_worlds.transaction_readers import (
    OFFSET_FETCH,
    TOPIC,
    OffsetReader,
    PlainWriter,
    Reader,
    Stable,
    offset_fetch,
    offset_in,
    read_all,
)
from tests.support.transaction_worlds.transactional_program import TransactionalProgram
from tests.support.transaction_worlds.transactional_words import NEW, OLD, OLDER
from tests.support.worlds.crashing_world import CrashingWorld, Outcome
from tests.support.worlds.judging import create_topic
from tests.support.worlds.programs import Program, Running

LONGEST_MS = 90_000.0
SETTINGS = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 20,
    "transaction.remove.expired.transaction.cleanup.interval.ms": 1_000,
}
HOUR_MS = 3_600_000
OUR_LENGTH_MS = 400.0
CLAIMS_MAX = 200
INIT = 4
LATER = frozenset((14, 15, 16, 51, 56))


Application: TypeAlias = TransactionalProgram | OurTransactions


class TransactionWorld(CrashingWorld):
    """A machine with applications.

    Args:
        durability, ends: as for every CrashingWorld.
        level: the finalized transaction.version; None: one for this seed.

    Attributes:
        level: the one it has.
    """

    def __init__(
        self, seed: int, *, durability: str, ends: Sequence[str], level: int | None = None
    ) -> None:
        random = Random(f"transactions {seed} {durability} {ends}")
        drawn = random.choice((2, 2, 2, 2, 1, 0))
        self.level = drawn if level is None else level
        settings = {**SETTINGS, "transaction.version": self.level}
        super().__init__(random, durability=durability, ends=ends, settings=settings)
        self.history = TransactionHistory()
        self.partitions = random.choice((1, 2, 4))
        self._configs = {
            "internal.segment.bytes": str(random.choice((1_000, 4_000, 40_000))),
            "index.interval.bytes": str(random.choice((0, 300, 4_096))),
            "retention.ms": "-1",
        }
        if random.random() < 0.15:
            self._configs["retention.bytes"] = str(random.choice((0, 3_000)))
        self._is_begun = False
        self._stable = Stable()
        self._readers = [
            Reader(
                self.machine,
                self.history,
                name,
                self.partitions,
                self._stable,
                is_committed=is_committed,
            )
            for name, is_committed in (("committed", True), ("uncommitted", False))
        ]
        self._plain = PlainWriter(
            self.machine, self.history, self.partitions, random.choice((0, 10))
        )
        self.people(self.applications())

    def applications(self) -> Sequence[Application]:
        """Who is there."""
        random, offsets = self.random, itertools.count(1)
        spoken = (NEW, NEW, OLD, OLDER) if self.level else (OLD, OLDER)
        return [
            TransactionalProgram(
                self.machine,
                self.history,
                f"app{number}{instance}",
                transactional_id=f"app{number}",
                versions=random.choice(spoken),
                partitions=self.partitions,
                offsets=offsets,
                timeout_ms=random.choice((100, 1_000, 60_000)),
                count=random.choice((3, 8, 20)),
            )
            for number in range(random.choice((1, 1, 2, 3)))
            for instance in "abc"[: random.choice((1, 1, 2, 3))]
        ]

    def people(self, programs: Sequence[Application]) -> None:
        """Let these producers be there, with their readers."""
        self.programs = list(programs)
        self._keys = sorted({(each.group, 0) for each in programs})
        self._offsets = OffsetReader(self.machine, self.history, self._keys)
        everybody: list[Program] = [*programs, *self._readers, self._offsets, self._plain]
        self.running = {each.name: Running(self.machine, each) for each in everybody}

    def run(self) -> Outcome:
        """Let everything happen; returns what is wrong with it."""
        self._start()
        if not self.is_over:
            create_topic(self.machine, TOPIC, self.partitions, self._configs)
            self._is_begun = True
            self.begin()
            done = self.machine.run(LONGEST_MS, self._is_done)
            if not self.is_over and not done:
                self.outcome.found.append(f"hanging: {self._not_done()}")
            elif not self.is_over:
                self.finish()
        self.outcome.found += self._wrong()
        self.outcome.acknowledged = sum(each.committed for each in self.programs)
        self.outcome.retries = len(self.history.fenced_at)
        return self.outcome

    def begin(self) -> None:
        """Set everybody going, and say what happens to them."""
        random, machine = self.random, self.machine
        length_ms = random.choice((50, 200, 600))
        for name, running in self.running.items():
            is_late = any(name == each.name for each in self.programs) and random.random() < 0.5
            machine.at(random.uniform(0, length_ms) if is_late else 0.0, running.start)
        self._draw_troubles(length_ms)
        for _ in range(random.choice((0, 2, 8))):
            machine.at(random.uniform(0, length_ms), random.choice([*self.running.values()]).cut)
        if random.random() < 0.3:
            machine.at(random.uniform(0, length_ms), self._set_clock)

    def _set_clock(self) -> None:
        self.machine.wall_set_by_ms = self.random.choice((-HOUR_MS, -50, 50, HOUR_MS))
        self.machine.note(f"the wall clock is set by {self.machine.wall_set_by_ms} ms")

    def _not_done(self) -> list[str]:
        mine: list[Program] = [*self.programs, self._plain]
        return [each.name for each in mine if not self.running[each.name].is_done]

    def _is_done(self) -> bool:
        return self.is_over or (self.machine.broker is not None and not self._not_done())

    def _wrong(self) -> list[str]:
        everybody: list[Program] = [*self.programs, *self._readers, self._offsets]
        return [each for one in everybody for each in one.wrong]

    def look(self) -> None:
        """After a start: what can be read now must be what can be read in the end."""
        if self._is_begun:
            for partition in range(self.partitions):
                for is_committed in (True, False):
                    start, end, kept = read_all(self.machine, partition, is_committed=is_committed)
                    self.history.read(partition, start, end, kept, is_committed=is_committed)
                    if is_committed:
                        least = self._stable.known(partition)
                        self.outcome.found += self._stable.told(partition, end, least)
            self.is_over = bool(self.outcome.found)

    def finish(self) -> None:
        """Crash once more, claim every id, and judge."""
        for reader in (*self._readers, self._offsets):
            reader.is_stopped = True
        self._end_well()
        if self.is_over:
            return
        self.machine.disk.crash_at = None
        for name in sorted({each.transactional_id for each in self.programs}):
            self._claim(name)
        committed, stored, log_starts = {}, {}, {}
        for partition in range(self.partitions):
            _, stable, committed[partition] = read_all(self.machine, partition, is_committed=True)
            start, end, stored[partition] = read_all(self.machine, partition, is_committed=False)
            log_starts[partition] = start
            if stable != end:
                text = f"{partition}: the last stable offset is {stable}, and nothing is open"
                self.outcome.found.append(f"{text} up to {end}")
        offsets = {}
        for key in self._keys:
            code, offsets[key] = offset_in(
                self.machine.ask(offset_fetch(key, is_stable=True), OFFSET_FETCH)
            )
            if code:
                self.outcome.found.append(f"OffsetFetch of {key} was answered {code} at the end")
        self.outcome.found += [
            f"{each.broken.value}: {each.text}"
            for each in transaction_findings(
                self.history,
                committed=committed,
                stored=stored,
                offsets=offsets,
                log_starts=log_starts,
            )
        ]

    def _claim(self, name: str) -> None:
        """Take an id, so that whatever is open is aborted."""
        self.history.claim(f"the last of {name}", name)
        message = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=60_000)
        for _ in range(CLAIMS_MAX):
            answer = self.machine.ask(message, INIT)
            if not answer.error_code:
                epoch = answer.producer_epoch
                self.history.granted(f"the last of {name}", answer.producer_id, epoch)
                return
            assert answer.error_code in LATER, f"InitProducerId of {name}: {answer.error_code}"
        self.outcome.found.append(f"hanging: nobody can claim {name}")


class OurWorld(TransactionWorld):
    """Our own producer under some ids, in some worlds beside instances that others have written."""

    def __init__(self, seed: int, *, durability: str, ends: Sequence[str]) -> None:
        level = Random(f"level {seed}").choice((2, 2, 1, 0))
        super().__init__(seed, durability=durability, ends=ends, level=level)

    def begin(self) -> None:
        """As every world, with connections that are cut more often."""
        super().begin()
        for each in self.programs:
            for _ in range(self.random.choice((0, 3, 10))):
                cut = self.running[each.name].cut
                self.machine.at(self.random.uniform(0, OUR_LENGTH_MS), cut)

    def applications(self) -> Sequence[Application]:
        """Who is there."""
        random, offsets = self.random, itertools.count(1_000_000)
        ours = [
            OurTransactions(
                self.machine,
                self.history,
                f"our{number}{instance}",
                transactional_id=f"app{number}",
                level=self.level,
                partitions=self.partitions,
                offsets=offsets,
                timeout_ms=random.choice((100, 1_000, 60_000, 60_000)),
                count=random.choice((3, 8, 20)),
            )
            for number in range(random.choice((1, 1, 2)))
            for instance in "ab"[: random.choice((1, 1, 2))]
        ]
        others = super().applications() if random.random() < 0.3 else []
        return [*ours, *others]
