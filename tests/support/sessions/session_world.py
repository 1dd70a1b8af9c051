"""One run of a producer with a durable session, through deaths of its own and of the broker.

    outcome = SessionWorld(seed, durability="fsync", ends=("kill", "power")).run()

A process sends the lines of a source, from its mark on. It is killed, loses the power of its
machine, dies at some step of its disk, stops, finds its disk full; what it has asked may arrive
long after, or when its successor is at work already. Connections are cut, the broker crashes, and
forgets producer ids while nobody is there. In the end every line must be stored exactly once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from minibroker.client import producer as producer_module
from minibroker.client.errors import (
    ConnectionFailed,
    Fenced,
    JournalFailed,
    Retriable,
    SessionInUse,
    StaleJournal,
)
from minibroker.client.session import journal as journal_module
from minibroker.client.session import session as session_module
from minibroker.client.session.journal import Journal
from minibroker.client.session.journal_recovery import recover
from minibroker.client.session.open_batch import OpenBatch
from minibroker.protocol.batch.header import read_header
from minibroker.testing.simulated_disk import IO_ERROR, Crashed, SimulatedDisk

from tests.support.sessions.granted_epochs import Epochs
from tests.support.sessions.journal_disks import Shelf, SimulatedJournal
from tests.support.sessions.session_judge import SOURCE, SessionJudge, lines_of, number_of
from tests.support.sessions.session_process import Plan, SessionProcess
from tests.support.worlds.crashing_world import CrashingWorld, Outcome
from tests.support.worlds.judging import create_topic, read_log
from tests.support.worlds.log_history import StoredBatch
from tests.support.worlds.machine import Machine

TOPIC = "lines"
SESSION = "session"
COPY = "copy"
LONGEST_MS = 200_000.0
DAY_MS = 26 * 3_600_000.0
QUIET = {  # timers that may rest while days pass
    "log.retention.check.interval.ms": 3_600_000,
    "producer.id.expiration.check.interval.ms": 600_000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 3_600_000,
    "transaction.remove.expired.transaction.cleanup.interval.ms": 3_600_000,
}
FAILURES_MAX = 60
assert session_module  # all of the client is there, so that all of it reads the simulated clock


@contextmanager
def simulated_time(now: Callable[[], float]) -> Iterator[None]:
    """Every module of the client that reads the clock reads this one."""
    with ExitStack() as stack:
        for name, module in [*sys.modules.items()]:
            if not name.startswith("minibroker.client."):
                continue
            clock = getattr(module, "time", None)
            if clock is time:
                stack.enter_context(patch.object(module, "time", SimpleNamespace(time=now)))
            elif clock is time.time:
                stack.enter_context(patch.object(module, "time", now))
        yield


def durability_loses(machine: Machine) -> bool:
    """Whether a broker may lose what it has confirmed."""
    return machine.config.durability != "fsync"


class SessionWorld(CrashingWorld):
    """A broker's machine and a producer's.

    Args:
        durability, ends: of the broker, as for every CrashingWorld.

    Attributes:
        deaths: of the producer's processes.
    """

    def __init__(self, seed: int, *, durability: str, ends: Sequence[str]) -> None:
        random = Random(f"session {seed} {durability} {ends}")
        super().__init__(random, durability=durability, ends=ends, settings=QUIET)
        self.disk = SimulatedDisk(Random(random.getrandbits(64)))
        self.deaths = 0
        self.partitions = random.choice((1, 2, 3, 8))
        self.plan = self._drawn_plan()
        is_flushed = self.plan.options["session_durability"] == "fsync"
        self.judge = SessionJudge(self.disk, TOPIC, is_flushed)
        self.judge.on_request = self._requested
        self._requests_left: int | None = None
        self._ends_of_producer = ("kill", "power") if is_flushed else ("kill",)
        self._next_end_of_producer = "kill"
        self._forgets = random.random() < 0.3
        self._process: SessionProcess | None = None
        self._processes: list[SessionProcess] = []  # all that ever were
        self._seconds: list[SessionProcess] = []
        self._backup: tuple[SessionProcess, Shelf] | None = None
        self._copies: dict[str, SimulatedDisk] = {}
        self._newest_journal: Journal | None = None
        self._excused: set[int] = set()
        self._told_absent: set[int] = set()
        self._epochs = Epochs()
        self._failures: list[str] = []
        self._is_finished = False

    def _drawn_plan(self) -> Plan:
        random = self.random
        spread, partitions = random.choice((1, 3, 7)), self.partitions
        options = {
            "session": SESSION,
            "session_durability": random.choice(("fsync", "fsync", "fsync", "page-cache")),
            "linger_ms": random.choice((0, 2, 20)),
            "batch_size": random.choice((100, 300, 16_384)),
            "buffer_memory": random.choice((2_000, 100_000, 33_554_432)),
            "max_in_flight_requests_per_connection": random.choice((1, 2, 5)),
            "request_timeout_ms": random.choice((500, 2_000)),
            "delivery_timeout_ms": random.choice((2_100, 5_000, 60_000)),
            "retry_backoff_ms": 5,
            "retry_backoff_max_ms": 50,
            "reconnect_backoff_ms": 5,
            "reconnect_backoff_max_ms": 50,
            "metadata_max_age_ms": random.choice((500, 300_000)),
            "transactional_id": random.choice((None, None, "importer")),
        }
        return Plan(
            topic=TOPIC,
            count=random.choice((10, 40, 120)),
            place_of=lambda number: number * spread % partitions,
            options=options,
            late=random.choice((0.0, 0.05, 0.3)),
            stops=random.choice((0.0, 0.0, 0.05)),
            steps=random.choice((0.0, 0.3)),
        )

    def run(self) -> Outcome:
        """Let everything happen; returns what is wrong with it."""
        with self._simulated():
            self._start()
            if not self.is_over:
                self._live()
        for process in self._processes:
            self.outcome.found += process.loop.wrong[:1]
            process.dispose()
        self.outcome.found += self.judge.found
        self.outcome.acknowledged = self.plan.count
        self.outcome.retries = self.deaths
        return self.outcome

    def _live(self) -> None:
        configs = {"retention.ms": "-1"}
        if self.random.random() < 0.2:
            configs["max.message.bytes"] = "200"  # batches of several lines have to be split
        create_topic(self.machine, TOPIC, self.partitions, configs)
        random, machine = self.random, self.machine
        length_ms = random.choice((100, 400, 1_500))
        self._draw_troubles(length_ms)
        for _ in range(random.choice((1, 3, 8))):
            machine.at(random.uniform(0, length_ms), self._trouble_producer)
        for _ in range(random.choice((0, 2, 8))):
            machine.at(random.uniform(0, length_ms), self._cut)
        for _ in range(random.choice((0, 0, 3))):
            machine.at(random.uniform(0, length_ms), self._back_up)
        self._start_process()
        done = machine.run(machine.now_ms + LONGEST_MS + 10 * DAY_MS, self._is_done)
        if not self.is_over and not done:
            self.outcome.found.append(f"hanging: {self._failures[-1:]}")
        elif not self.is_over:
            if durability_loses(self.machine):
                self._ends = ("kill",)  # what it has confirmed, and has lost, is known by now
            self._end_well()
            if not self.is_over:
                self.machine.disk.crash_at = None
                self.judge.judge(self._logs(), self.plan.count, self._excused, self._told_absent)

    @contextmanager
    def _simulated(self) -> Iterator[None]:
        """A Producer finds the clock, the chance and the disk of this world."""
        machine, random = self.machine, self.random

        def opened(cls: Any, *arguments: Any, **options: Any) -> Any:
            journal = real_open(*arguments, **{**options, "rewrite_above_bytes": rewrite_above})
            if journal.path == SESSION:
                self._newest_journal = journal
                if self._process is not None:
                    self._process.journal = journal
            return journal

        real_open = journal_module.Journal.open
        rewrite_above = random.choice((500, 5_000, 10**9))
        with (
            simulated_time(lambda: machine.wall_ms / 1000),
            patch.object(producer_module, "Random", lambda: Random(random.getrandbits(64))),
            patch.object(
                journal_module,
                "JournalDirectory",
                lambda path: SimulatedJournal(self._copies.get(path, self.disk), path),
            ),
            patch.object(journal_module.Journal, "open", classmethod(opened)),
        ):
            yield

    def look(self) -> None:
        """The broker has started; what is in it is judged at the end, and it forgets in time."""
        self.machine.arm_timer()

    def _is_done(self) -> bool:
        return self.is_over or (self._is_finished and self.machine.broker is not None)

    def _start_process(self) -> None:
        if self.is_over or self._is_finished or self._process is not None:
            return
        random = self.random
        seed = random.getrandbits(64)
        process = self._made(SessionProcess(self.machine, self.disk, self.plan, self.judge, seed))
        process.on_end = lambda: self._ended(process)
        process.truth = self._truth_of
        process.loop.on_death = lambda: self._died("a step of its disk")
        self._process = process
        if random.random() < 0.2:
            self._crash_producer_soon()
        self.machine.note("the producer starts")
        process.start()

    def _made(self, process: SessionProcess) -> SessionProcess:
        process.epochs = self._epochs
        self._processes.append(process)
        return process

    def _ended(self, process: SessionProcess) -> None:
        """It has ended itself."""
        if process is not self._process:
            return
        failure = process.failure
        self.machine.note(f"the producer has ended: {failure!r}")
        journal = process.journal
        for each in [] if journal is None else journal.state.refused.values():
            # 1. A broker loses its log, and with it a producer. 2. It refuses one of five batches
            # on their way for another reason, and takes the next, as of an unknown producer it
            # takes any. 3. The first can no longer stand before it: the program is told.
            if durability_loses(self.machine):
                self._excused |= lines_of([each.batch])
            else:
                self.outcome.found.append(f"refused: {each.batch.describe()}: {each.message}")
        if failure is None and journal is not None and not journal.state.open:
            self._is_finished = journal.state.marks.get(SOURCE, 0) == self.plan.count
        if failure is not None:
            self._failures.append(repr(failure))
            if not self._is_excusable(process):
                self.outcome.found.append(f"the producer has ended: {failure!r}")
                self.is_over = True
            if len(self._failures) > FAILURES_MAX:
                self.outcome.found.append(f"hanging: it fails again and again: {failure!r}")
                self.is_over = True
        self._bury("kill")

    def _is_excusable(self, process: SessionProcess) -> bool:
        """A broker that is down can keep a process from starting, and a disk from going on."""
        failure, now_ms = process.failure, self.machine.now_ms
        # 1. A process asks for an epoch, and dies. 2. The next one has one, and sends. 3. The
        # request is worked off: it is fenced, though nobody is there. Another takes the id again.
        if isinstance(failure, Fenced):
            return self._epochs.is_passed(process.granted) or self._epochs.is_forgotten(now_ms)
        if "the coordinator has forgotten" in str(failure):
            return self._epochs.is_forgotten(now_ms)
        # Who waits for one record is told that people have to decide; the next process lets them.
        if durability_loses(self.machine) and "Nobody can know" in str(failure):
            return True
        is_told = isinstance(failure, ConnectionFailed | Retriable | JournalFailed)
        return is_told or "the journal cannot be written" in str(failure)

    def _truth_of(self, batch: OpenBatch) -> bool | None:
        """Whether its records are in the topic; None while nobody can look."""
        if not durability_loses(self.machine):
            text = f"unsettled, though nothing was lost: {batch.describe()}"
            self.outcome.found.append(text)
            self.is_over = True
            return None
        if self.machine.broker is None:
            return None
        try:
            stored = self._data_in(batch.partition)
        except Crashed as error:
            crash = error  # the broker's, not the process's that looks
            self.machine.at(self.machine.now_ms, lambda: self.machine.crashed(str(crash)))
            return None
        wanted = lines_of([batch])
        found = {number_of(value) for each in stored for _, value in each.values}
        self.machine.note(f"people look for {sorted(wanted)}: {wanted <= found}")
        if not wanted <= found:
            self._told_absent |= wanted
        return wanted <= found

    def _second_owner(self) -> None:
        """Somebody starts the program a second time: it is refused, and the first goes on."""
        if self._process is None or self._process.journal is None:
            return
        seed = self.random.getrandbits(64)
        second = self._made(SessionProcess(self.machine, self.disk, self.plan, self.judge, seed))

        def ended() -> None:
            second.kill()
            is_refused = isinstance(second.failure, Crashed | SessionInUse)
            if is_refused or self._is_excusable(second):
                return
            self.outcome.found.append(f"a second owner was let in: {second.failure!r}")

        second.on_end = ended
        self._seconds.append(second)
        second.start()

    def _back_up(self) -> None:
        """Somebody copies the directory while it is in use."""
        if self._process is not None and self._process.journal is not None:
            self._backup = (self._process, Shelf.of(self.disk))

    def _start_backup(self, process: SessionProcess) -> None:
        """The copy is started in place of the original: what was sent since must be noticed."""
        (owner, shelf), self._backup = self._backup or (None, Shelf({})), None
        journal = process.journal
        if owner is not process or journal is None or durability_loses(self.machine):
            return
        copy = shelf.put()
        old, new = recover(SimulatedJournal(copy)).state, journal.state
        copy.kill()
        if old.identities[-1:] != new.identities[-1:] or not any(
            floor.producer_epoch == new.floors[key].producer_epoch
            and floor.last_sequence < new.floors[key].confirmed_sequence
            for key, floor in old.floors.items()
            if key in new.floors
        ):
            return  # nothing was sent since
        self._copies[COPY] = copy
        judge = SessionJudge(copy, TOPIC, is_flushed=False)
        plan = replace(self.plan, options={**self.plan.options, "session": COPY})
        seed = self.random.getrandbits(64)
        second = self._made(SessionProcess(self.machine, copy, plan, judge, seed))

        def ended() -> None:
            second.kill()
            self.machine.note(f"the copy has ended: {second.failure!r}")
            if judge.requests or not (
                isinstance(second.failure, StaleJournal) or self._is_excusable(second)
            ):
                self.outcome.found.append(f"a copy was taken for the session: {second.failure!r}")

        second.on_end = ended
        self.machine.note("a copy of the session is started")
        second.start()

    def _trouble_producer(self) -> None:
        """Something happens to it: its end, or its disk's."""
        random = self.random
        draw = random.random()
        if self._process is None or self._is_finished:
            return
        if draw < 0.25:
            self._next_end_of_producer = random.choice(self._ends_of_producer)
            self._died("now")
        elif draw < 0.55:
            self._crash_producer_soon()
        elif draw < 0.7:
            self._next_end_of_producer = random.choice(self._ends_of_producer)
            self._requests_left = random.randint(1, 4)
        elif draw < 0.75:
            self._second_owner()
        elif draw < 0.83:
            used = sum(len(node.data) for _, node in self.disk.files())
            self.disk.capacity_bytes = used + random.choice((0, 100, 1_000))
            self._mend_producer_later("is full")
        elif "power" in self._ends_of_producer:
            kind = random.choice(("flush", "write", "name"))
            self.disk.trouble = lambda what, path: IO_ERROR if what == kind else ""
            self._mend_producer_later(f"fails ({kind})")
        else:
            self._cut()

    def _requested(self) -> None:
        """The process dies with its n-th request on its way."""
        if self._requests_left is not None:
            self._requests_left -= 1
            if not self._requests_left:
                self._requests_left = None
                process = self._process
                why = "its request is on its way"
                self.machine.at(
                    self.machine.now_ms,
                    lambda: self._died(why) if process is self._process else None,
                )

    def _mend_producer_later(self, what: str) -> None:
        self.machine.note(f"the producer's disk {what}")

        def mend() -> None:
            self.disk.capacity_bytes = self.disk.trouble = None

        self.machine.at(self.machine.now_ms + self.random.choice((2, 30, 100)), mend)

    def _crash_producer_soon(self) -> None:
        self._next_end_of_producer = self.random.choice(self._ends_of_producer)
        self.disk.crash_at = self.disk.steps + self.random.randint(1, 40)

    def _died(self, why: str) -> None:
        if self._process is not None:
            self.machine.note(f"the producer dies ({self._next_end_of_producer}): {why}")
            self._bury(self._next_end_of_producer)

    def _bury(self, end: str) -> None:
        """The process is gone; another one starts, soon or in a day."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        for second in self._seconds:
            second.kill()  # from now on it could be let in
        self._seconds.clear()
        self.deaths += 1
        self._start_backup(process)
        if end == "power":
            self.disk.lose_power()
        else:
            self.disk.kill()
        random = self.random
        delay_ms = random.choice((0.0, 1.0, 20.0, 200.0))
        if self._forgets and random.random() < 0.3:
            delay_ms = DAY_MS
            self.machine.note("a day passes")
        self.machine.at(self.machine.now_ms + delay_ms, self._start_process)

    def _cut(self) -> None:
        if self._process is not None:
            self.machine.note("the producer's connections are cut")
            self._process.cut()

    def _crashed(self, why: str) -> None:
        if self._next_end == "power" and durability_loses(self.machine):
            self._excuse_confirmed()
        self._epochs.coordinator_ended()
        losses = self.outcome.power_losses
        super()._crashed(why)
        if self.outcome.power_losses > losses and durability_loses(self.machine):
            self._epochs.power_lost()

    def _excuse_confirmed(self) -> None:
        """A broker that has not flushed may lose what it had confirmed."""
        self._excused |= self.judge.confirmed
        journal = self._newest_journal
        if journal is not None:
            mark = int(journal.state.marks.get(SOURCE, 0))
            self._excused |= {*range(mark)} - lines_of(journal.state.open.values())

    def _data_in(self, partition: int) -> list[StoredBatch]:
        """What is in a log beside markers."""
        batches = read_log(self.machine, (TOPIC, partition)).batches
        return [batch for batch in batches if not read_header(batch.wire).is_control]

    def _logs(self) -> dict[int, list[tuple[int, bytes]]]:
        return {
            partition: [
                (offset, value)
                for batch in self._data_in(partition)
                for offset, value in batch.values
            ]
            for partition in range(self.partitions)
        }
