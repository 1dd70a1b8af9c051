"""The gate of a durable session over random steps, against a model of one line: what was sent.

Held after every step: what is on the wire is journaled and flushed; what is journaled is a prefix
of what was sent, over all partitions; a mark in force covers journaled records only. At the end,
after deaths that lose what was not flushed, every partition holds what it was sent, once, in order.
The broker is our partitions. Whoever looks for what is in doubt sees their logs, when no request is
under way any more: what late ones do is tested in whole worlds (tests/simulation/sessions.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from minibroker.client.config import ProducerConfig
from minibroker.client.produce.accumulator import Accumulator, Place
from minibroker.client.produce.answers import Answer
from minibroker.client.produce.batch import ProducerBatch, StoredAt
from minibroker.client.produce.sender import ProduceCall
from minibroker.client.session.entries import Cut
from minibroker.client.session.leaving.gate import JournaledSender
from minibroker.client.session.leaving.keeping import About, Keeping
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.codec.schema import ZERO_UUID
from minibroker.protocol.errors import ErrorCode

from tests.support.sessions.journal_double import JournalDouble
from tests.support.sessions.stored_logs import StoredLogs
from tests.support.sizes import size

SEEDS = size(fast=30, whole=60)
STEPS = 160
PARTITIONS = 3
SOURCE = "file"
LEADER = 1
CONFIG = ProducerConfig(
    bootstrap_servers=(("x", 1),), linger_ms=5, batch_size=120, retry_backoff_max_ms=50
)
RARE = [
    (JournaledSender, "absent"),
    (JournaledSender, "stored"),
    (Keeping, "restamped"),
    (Keeping, "split"),
]
PASSING = (
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.UNKNOWN_SERVER_ERROR,
)


class Run:
    """Lives of one producer, one after the other."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.logs = StoredLogs(PARTITIONS)
        self.journal = JournalDouble(flushes=False)
        self.sent: list[tuple[int, bytes]] = []  # (partition, value), in the order of `send`
        self.now_ms = 0.0
        self.lives = 0
        self.on_wire: list[ProduceCall] = []
        self.begin()

    def begin(self) -> None:
        """A new process; what is not in the journal is sent again by who reads the source."""
        self.lives += 1
        self.accumulator = Accumulator(CONFIG)
        self.sender = JournaledSender(
            CONFIG, self.accumulator, self.random, lambda _: About(ZERO_UUID, 0)
        )
        self.sender.begin(self.journal)
        self.sender.begun(self.now_ms)
        self.sender.give_producer_id(1_000 + self.lives)
        position = self.sender.keeping.marks.get(SOURCE, 0)
        assert isinstance(position, int)
        del self.sent[position:]

    def step(self) -> None:
        """Something happens."""
        draw = self.random.random()
        if draw < 0.35:
            self.send()
        elif draw < 0.55:
            self.now_ms += self.random.choice((1, 10, 200))
        elif draw < 0.75:
            self.journal.flush()
        elif draw < 0.97:
            self.hear()
        else:
            self.die()
        self.drain()

    def send(self) -> None:
        """The next record of the source, with its mark."""
        partition = self.random.randrange(PARTITIONS)
        value = b"%d" % len(self.sent)
        self.accumulator.append(
            ("t", partition), None, value, b"", 0.0, size_bytes=40, now_ms=self.now_ms
        )
        self.sent.append((partition, value))
        self.sender.keeping.mark(SOURCE, len(self.sent), self.now_ms)

    def drain(self) -> None:
        """What the edge does, and what must hold."""
        calls = self.sender.drain(self.now_ms, lambda *_: LEADER, lambda _: 5 - len(self.on_wire))
        for call in calls:
            for batch in call.batches:
                written = self.sender.keeping.written[batch]
                assert written.group <= self.journal.flushed, "left before it was flushed"
                assert self.journal.state.open[written.number].wire == batch.wire
        self.on_wire += calls
        for place in [*self.sender.wants_floors]:
            self.sender.give_floor(place, self.logs.end(place[1]), 0)
        for place in [*self.sender.wants_looks]:
            self.look(place)
        self.check_journal()

    def check_journal(self) -> None:
        """The journal holds a prefix."""
        cuts = [each for group in self.journal.groups for each in group if isinstance(each, Cut)]
        journaled = [
            (batch.partition, each.value)
            for cut in cuts
            for batch in cut.batches
            for each in records_in(batch.wire)
        ]
        assert sorted(journaled) == sorted(self.sent[: len(journaled)])
        flushed = [
            each
            for group in self.journal.groups[: self.journal.flushed]
            for each in group
            if isinstance(each, Cut)
        ]
        count = sum(batch.count for cut in flushed for batch in cut.batches)
        position = self.sender.keeping.marks.get(SOURCE, 0)
        assert isinstance(position, int)
        assert position <= count

    def hear(self) -> None:
        """The oldest call is answered, or lost before or after it took effect."""
        if not self.on_wire:
            return
        call = self.on_wire.pop(0)
        draw = self.random.random()
        if draw < 0.12:
            if self.random.random() < 0.5:
                self.arrive(call)
            lost, self.on_wire = [call, *self.on_wire], []  # they were on the same connection
            for each in lost:
                self.sender.lost(each, self.now_ms, "cut")
        else:
            for batch, answer in self.arrive(call):
                self.sender.answered(batch, answer, self.now_ms)

    def arrive(self, call: ProduceCall) -> list[tuple[ProducerBatch, Answer]]:
        """At the broker."""
        return [(batch, self.produce(batch)) for batch in call.batches]

    def produce(self, batch: ProducerBatch) -> Answer:
        """A broker's answer, which passing troubles may take the place of."""
        draw = self.random.random()
        if draw < 0.05:
            return Answer(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if draw < 0.08 and batch.count > 1:
            return Answer(ErrorCode.MESSAGE_TOO_LARGE)
        answer = self.logs.produce(batch.partition, batch.wire)
        return Answer(self.random.choice(PASSING[1:])) if draw > 0.97 else answer

    def look(self, place: Place) -> None:
        """Somebody looks, and sees the log; nothing of the place is under way."""
        self.sender.wants_looks.discard(place)
        stored = self.logs.identities(place[1])
        for batch in self.sender.looking_for(place):
            identity = (batch.producer_id, batch.producer_epoch, batch.base_sequence)
            if identity in stored:
                self.sender.stored(batch, StoredAt(stored[identity], -1, -1), self.now_ms)
            else:
                self.sender.absent(batch)
        self.sender.looked(place)

    def die(self) -> None:
        """Power is lost; what is on the wire arrives, or not."""
        arriving, self.on_wire = self.on_wire, []
        for call in arriving[: self.random.randrange(len(arriving) + 1)]:
            self.arrive(call)
        self.journal = self.journal.survivor()
        self.begin()

    def end(self) -> None:
        """Everything heals."""
        for _ in range(3_000):
            self.now_ms += 50
            self.journal.flush()
            self.drain()
            if self.on_wire:
                for batch, answer in self.arrive(self.on_wire.pop(0)):
                    self.sender.answered(batch, answer, self.now_ms)
            if not self.accumulator.held and not self.accumulator.queues:
                break
        for partition in range(PARTITIONS):
            expected = [value for place, value in self.sent if place == partition]
            assert self.logs.values(partition) == expected


def run_seeds() -> None:
    for seed in range(SEEDS):
        world = Run(seed)
        for _ in range(STEPS):
            world.step()
        world.end()


def test_the_wire_is_behind_the_journal_and_all_is_stored_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: Counter[str] = Counter()
    for owner, name in RARE:
        monkeypatch.setattr(owner, name, counted(seen, name, getattr(owner, name)))
    run_seeds()
    assert {*seen} == {name for _, name in RARE}, "what never happens proves nothing"


def counted(seen: Counter[str], name: str, call: Callable[..., object]) -> Callable[..., object]:
    def count(*given: object) -> object:
        seen[name] += 1
        return call(*given)

    return count


def leave_at_once(keeping: Keeping, batch: ProducerBatch) -> bool:
    return True


def mark_at_once(keeping: Keeping) -> bool:
    keeping.marks.update(keeping.new_marks)
    return keeping.is_flushed


def look_nowhere(sender: JournaledSender, batch: ProducerBatch) -> None:
    sender._found(batch).remove(batch)
    sender._accumulator.release(batch)


BUGS = [
    (Keeping, "is_safe", leave_at_once),
    (Keeping, "heed_flush", mark_at_once),
    (JournaledSender, "absent", look_nowhere),
]


@pytest.mark.parametrize(("owner", "name", "bug"), BUGS, ids=[name for _, name, _ in BUGS])
def test_a_planted_bug_is_seen(
    owner: type, name: str, bug: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, bug)
    with pytest.raises(AssertionError):
        run_seeds()
