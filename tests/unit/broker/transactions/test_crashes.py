"""Transactions over crashes: whatever is lost of what was not flushed, all or nothing holds.

The state log and the partitions' markers are two lists of which a crash may take the end, as far as
it is not durable. What clients were told stands; the checker knows nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random

from minibroker.broker.transactions.coordinator import Coordinator
from minibroker.broker.transactions.ending_requests import end_bumping
from minibroker.broker.transactions.endings import Step
from minibroker.broker.transactions.fold import Change, TransactionsState
from minibroker.broker.transactions.initialising import initialise
from minibroker.broker.transactions.outcomes import Ends, Settled
from minibroker.broker.transactions.transaction import NONE, Now, TopicPartition
from minibroker.protocol.batch.control import Marker
from minibroker.protocol.errors import ErrorCode

NAMES = ("a", "b")
PARTITIONS = [TopicPartition("t", number) for number in range(3)]
LEVEL = 2
SEEDS = 200


class Disk:
    """A list whose end may be lost."""

    def __init__(self) -> None:
        self.entries: list[tuple[object, object]] = []
        self.durable = 0

    def flush(self) -> None:
        self.durable = len(self.entries)

    def crash(self, rng: Random) -> None:
        del self.entries[rng.randint(self.durable, len(self.entries)) :]
        self.flush()


class World:
    """A coordinator on a disk, driven step by step, and what its clients were told."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now = Now(1_000_000, 1_000)
        self.log, self.markers = Disk(), Disk()
        self.ids = count(100)
        self.ended: dict[tuple[int, int], bool] = {}  # (producer id, marker's epoch) -> commit
        self.contents: dict[tuple[int, int], set[TopicPartition]] = {}
        self.granted: set[tuple[int, int]] = set()
        self.waiting: dict[str, Callable[[], None]] = {}
        self.start()

    def start(self) -> None:
        self.state = TransactionsState(LEVEL)
        for key, value in self.log.entries:
            assert isinstance(key, bytes)
            assert value is None or isinstance(value, bytes)
            self.state.apply(self.state.decode(key, value))
        self.coordinator = Coordinator(self.state, lambda: next(self.ids), 10**6)
        marked = {
            (partition, marker[:2])
            for partition, marker in self.markers.entries
            if isinstance(marker, Marker)
        }
        for name in self.coordinator.start(self.now):
            decided = self.state.transactions[name]
            for partition in decided.partitions:  # what claims.py finds open
                if (partition, (decided.producer_id, decided.producer_epoch)) not in marked:
                    self.coordinator.endings[name].also(partition)
        self.waiting.clear()

    def write(self, *changes: Change) -> None:
        for change in changes:
            self.log.entries.append(self.state.encode(change))
            self.state.apply(change)

    def producer(self, name: str) -> tuple[int, int]:
        found = self.state.transactions.get(name)
        return (found.producer_id, found.producer_epoch) if found else (NONE, NONE)

    def initialise(self, name: str) -> None:
        outcome = initialise(
            self.coordinator,
            name,
            timeout_ms=10**6,
            producer_id=NONE,
            producer_epoch=NONE,
            now=self.now,
        )
        if isinstance(outcome, Settled):
            self.write(*outcome.changes)
            self.log.flush()  # before it is told
            granted = outcome.answer.producer_id, outcome.answer.producer_epoch
            assert granted not in self.granted, "two producers are the same one"
            self.granted.add(granted)
        elif isinstance(outcome, Ends):
            self.write(self.coordinator.decide(name))

    def add(self, name: str) -> None:
        partitions = self.rng.sample(PARTITIONS, self.rng.randint(1, len(PARTITIONS)))
        outcome = self.coordinator.add(
            name, *self.producer(name), sorted(partitions), client_version=2, now=self.now
        )
        if isinstance(outcome, Settled):
            self.write(*outcome.changes)
            if outcome.answer.code is ErrorCode.NONE:
                self.log.flush()  # duty 1: before anything is acknowledged

    def end(self, name: str) -> None:
        pid, epoch = self.producer(name)
        found = self.state.transactions.get(name)
        partitions = set(found.partitions) if found else set()
        commit = self.rng.random() < 0.5
        outcome = end_bumping(self.coordinator, name, pid, epoch, is_commit=commit, now=self.now)
        if not isinstance(outcome, Ends):
            return
        self.write(self.coordinator.decide(name))

        def tell() -> None:
            self.ended[pid, epoch + 1] = commit
            self.contents[pid, epoch + 1] = partitions

        self.waiting[name] = tell

    def flush_log(self, name: str) -> None:
        self.log.flush()
        for each, ending in self.coordinator.endings.items():
            if ending.step is Step.DECIDING:
                self.coordinator.decided(each)
                self.tell_if_marked(each)

    def mark(self, name: str) -> None:
        ending = self.coordinator.endings.get(name)
        if ending is not None and ending.step is Step.DECIDED:
            marker, partitions = ending.markers()
            partition = self.rng.choice(partitions)
            self.markers.entries.append((partition, marker))
            self.coordinator.marked(name, partition)
            self.tell_if_marked(name)

    def tell_if_marked(self, name: str) -> None:
        if self.coordinator.endings[name].step is Step.MARKED and name in self.waiting:
            self.waiting.pop(name)()

    def flush_markers(self, name: str) -> None:
        self.markers.flush()
        for each, ending in list(self.coordinator.endings.items()):
            if ending.step is Step.MARKED:
                self.write(self.coordinator.complete(each, self.now))
                self.coordinator.over(each)

    def crash(self, name: str) -> None:
        self.log.crash(self.rng)
        self.markers.crash(self.rng)
        self.start()

    def finish(self) -> None:
        """What is under way comes to its end."""
        while self.coordinator.endings:
            self.flush_log("")
            for name in list(self.coordinator.endings):
                self.mark(name)
            self.flush_markers("")

    def judge(self, seed: int) -> None:
        """By what the clients were told, and the markers that a reader sees."""
        kinds: dict[tuple[int, int], set[bool]] = {}
        places: dict[tuple[int, int], set[object]] = {}
        for partition, marker in self.markers.entries:
            assert isinstance(marker, Marker)
            which = marker.producer_id, marker.producer_epoch
            kinds.setdefault(which, set()).add(marker.is_commit)
            places.setdefault(which, set()).add(partition)
        assert all(len(each) == 1 for each in kinds.values()), f"partly committed: {seed}"
        for which, commit in self.ended.items():
            if self.contents[which]:
                assert kinds.get(which) == {commit}, f"not what was told: {seed}"
                assert places[which] == self.contents[which], f"not everywhere: {seed}"


STEPS = {
    World.initialise: 2,
    World.add: 6,
    World.end: 6,
    World.flush_log: 6,
    World.mark: 12,
    World.flush_markers: 4,
    World.crash: 1,
}


def test_what_was_told_holds_everywhere_over_every_crash() -> None:
    told = 0
    for seed in range(SEEDS):
        world = World(Random(seed))
        for name in NAMES:
            world.initialise(name)
        for step in world.rng.choices(list(STEPS), list(STEPS.values()), k=150):
            step(world, world.rng.choice(NAMES))
        world.crash("")
        world.finish()
        world.judge(seed)
        told += len(world.ended)
    assert told > 3 * SEEDS, "hardly a transaction has come to its end"
