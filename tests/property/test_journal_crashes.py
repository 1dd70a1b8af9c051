"""A journal on a disk that loses power, fills up and fails: what was flushed is there, whole.

A session of random groups is led through random flushes, rewrites and starts; every step of the
disk is once the last one. After each end the journal must open, at a state that it had: not before
the last flush that was done, and after kill -9 not before the last group that was written.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from minibroker.client.session.journal_codec import encode
from minibroker.client.session.journal_recovery import recover
from minibroker.client.session.journal_state import JournalState
from minibroker.client.session.journal_writer import JournalWriter, NotRewritten
from minibroker.testing.simulated_disk import IO_ERROR, Crashed, SimulatedDisk

from tests.support.sessions.journal_disks import SimulatedJournal
from tests.support.sessions.journaled import DrawnSession, facts
from tests.support.sizes import size

STEPS = 40  # of a life, between its start and its end
LIVES = 6


class Session:
    """One journal through many lives.

    Attributes:
        states: what it was after each group; of groups that were lost, no more.
        written: the index of the newest that is in the file.
        durable: of the newest that was flushed, by a flush or by a start.
        least: of the oldest that may be found.
    """

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.disk = SimulatedDisk(self.random)
        self.states = [facts(JournalState())]
        self.least = self.durable = self.written = 0

    def live(self, steps: int = STEPS) -> None:
        """Open and work until it ends. Raises Crashed, OSError."""
        state, writer = self.open()
        session = DrawnSession(self.random, state, self.random.choice((30, 700, 3_000)))
        bodies: list[list[bytes]] = []
        for _ in range(steps):
            draw = self.random.random()
            if draw < 0.6:
                entries = session.group()
                for entry in entries:
                    state.apply(entry)
                bodies.append(encode(entries))
                self.states.append(facts(state))
            elif draw < 0.95:
                writer.append(bodies)
                bodies = []
                self.written = len(self.states) - 1
                if draw < 0.9:
                    writer.flush()
                    self.least = self.durable = self.written
            else:
                try:
                    writer.rewrite(writer.whole(state.snapshot()))
                except NotRewritten:
                    continue
                bodies = []
                self.least = self.durable = self.written = len(self.states) - 1

    def open(self) -> tuple[JournalState, JournalWriter]:
        """A start, and what it may find."""
        journal = SimulatedJournal(self.disk)
        recovered = recover(journal)
        found = facts(recovered.state)
        acceptable = [n for n in range(self.least, len(self.states)) if self.states[n] == found]
        assert acceptable, f"not a state since group {self.least}, {len(self.states)} groups"
        at = acceptable[-1]
        snapshot = recovered.state.snapshot()
        writer = JournalWriter(journal, recovered.generation, snapshot, flushes=True)
        del self.states[at + 1 :]
        self.least = self.durable = self.written = at
        return recovered.state, writer

    def end(self, *, is_power_lost: bool) -> None:
        """It is gone, with what was not flushed, or with what was not written."""
        if is_power_lost:
            self.disk.lose_power()
            self.least = self.written = self.durable
        else:
            self.disk.kill()
            self.least = max(self.least, self.written)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_power_lost", [True, False])
def test_every_step_of_the_disk_may_be_the_last(seed: int, is_power_lost: bool) -> None:
    at, has_ended = 1, True
    while has_ended:
        session = Session(f"{seed} {is_power_lost}")
        session.disk.crash_at = at
        try:
            session.live()
            has_ended = False
        except Crashed:
            at += 1
        session.end(is_power_lost=is_power_lost)
        session.live(0)
    assert at > STEPS // 2, "steps of the disk"


@pytest.mark.parametrize("seed", range(size(fast=25, whole=60)))
def test_many_lives_in_one_directory(seed: int) -> None:
    session = Session(f"lives {seed}")
    random = session.random
    for _ in range(LIVES):
        if random.random() < 0.9:
            session.disk.crash_at = session.disk.steps + random.randint(1, 60)
        with suppress(Crashed):
            session.live()
        session.end(is_power_lost=random.random() < 0.6)
    session.live(0)


@pytest.mark.parametrize("seed", range(size(fast=25, whole=60)))
def test_disks_that_fill_up_and_fail(seed: int) -> None:
    session = Session(f"troubles {seed}")
    random, disk = session.random, session.disk
    for _ in range(LIVES):
        used = sum(len(node.data) for _, node in disk.files())
        kind = random.choice(("write", "flush", "name"))
        if random.random() < 0.5:
            disk.capacity_bytes = used + random.choice((0, 100, 5_000))
        else:
            chance = random.choice((0.05, 1.0))
            disk.trouble = lambda what, path, kind=kind, chance=chance: (
                IO_ERROR if what == kind and random.random() < chance else ""
            )
        with suppress(OSError):  # the end of this life: nothing is tried again
            session.live()
        disk.capacity_bytes = disk.trouble = None
        # After a failed flush the page cache says more than the disk has. Who starts in between
        # has read it, and must keep what it has read.
        if random.random() < 0.5:
            session.end(is_power_lost=False)
            session.open()
        session.end(is_power_lost=True)
    session.live(0)


def test_what_a_failed_flush_left_in_the_page_cache_is_written_anew() -> None:
    session = Session("page cache")
    _, writer = session.open()
    state = JournalState()
    drawn = DrawnSession(Random(0), state)
    entries = drawn.group()
    state.apply(entries[0])
    writer.append([encode(entries)])
    session.states.append(facts(state))
    session.disk.trouble = lambda kind, path: IO_ERROR if kind == "flush" else ""
    with pytest.raises(OSError, match=IO_ERROR):
        writer.flush()
    session.disk.trouble = None
    session.disk.kill()
    found, _ = session.open()
    assert facts(found) == facts(state), "it is read, though the disk does not have it"
    session.least = len(session.states) - 1
    session.disk.lose_power()
    assert facts(session.open()[0]) == facts(state), "and what a start has read is kept"
