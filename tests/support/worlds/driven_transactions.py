"""Transactions as a broker drives them: a real log, rounds of flushes, time; partitions are lists.

A flush happens when the test asks for a `round`, time passes when it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from random import Random
from typing import Any

from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import NoSpace, StorageError
from minibroker.broker.transactions.claims import OpenTransaction
from minibroker.broker.transactions.ending_requests import end, end_bumping
from minibroker.broker.transactions.initialising import initialise
from minibroker.broker.transactions.ledger import TransactionsLedger
from minibroker.broker.transactions.outcomes import Answer
from minibroker.broker.transactions.participant import Participants
from minibroker.broker.transactions.transaction import NONE, TopicPartition
from minibroker.broker.transactions.transactions import Transactions
from minibroker.broker.waiting.group_commit import GroupCommit
from minibroker.broker.waiting.promise import Promise
from minibroker.broker.world import World
from minibroker.protocol.batch.control import Marker

from tests.support.groups.bare_groups import Clock

ID = "id"
A, B = TopicPartition("t", 0), TopicPartition("t", 1)


class Partition:
    """What an ending sees of a partition, and what a test lets it be."""

    def __init__(self) -> None:
        self.open: dict[int, int] = {}  # producer id -> its epoch
        self.closed: set[int] = set()
        self.is_unflushed = False
        self.is_full = False
        self.markers: list[Marker] = []

    def close_transaction(self, producer_id: int) -> None:
        self.closed.add(producer_id)

    def reopen_transaction(self, producer_id: int) -> None:
        self.closed.discard(producer_id)

    def holds_unflushed(self, producer_id: int) -> bool:
        return self.is_unflushed

    def append_marker(self, marker: Marker, now_ms: int) -> bool:
        if self.is_full:
            raise NoSpace("t-0", "the disk is full")
        self.markers.append(marker)
        self.open.pop(marker.producer_id, None)
        self.closed.discard(marker.producer_id)
        return True


class DrivenTransactions:
    """Transactions with a log on a storage; `restart` kills the broker and begins the next one."""

    def __init__(self, durability: str = "fsync", **settings: int) -> None:
        named = {name.replace("_", "."): value for name, value in settings.items()}
        where = {} if durability == "memory" else {"log.dirs": ("x",)}
        self.config = BrokerConfig.of({"durability": durability, **where, **named})
        self.storage = MemoryStorage()
        self.clock = Clock()
        self.partitions = {A: Partition(), B: Partition()}
        self.offsets = Partition()
        self.refused: list[StorageError] = []
        self.ids = count(100)
        self.restart()

    def restart(
        self, opened: Iterable[OpenTransaction] = (), *, is_whole: bool = True
    ) -> list[OpenTransaction]:
        """Forget what is not written; returns what is held."""
        world = World(self.clock, self.storage, Random(1))
        self.group_commit = GroupCommit(lambda: None)
        self.ledger = TransactionsLedger(self.config, world, self.group_commit)
        self.ledger.is_writable = True
        self.storage.sync_all()
        self.ledger.log.made_durable(self.ledger.log.mark())
        self.transactions = Transactions(
            self.config,
            self.ledger,
            self.clock,
            lambda: next(self.ids),
            Participants(
                lambda topic, number: self.partitions.get(TopicPartition(topic, number)),
                self.offsets,
                opened=lambda topic, number: self.partitions.get(TopicPartition(topic, number)),
                appended=lambda participant: None,
                pay=lambda act: act(),
                now_ms=self.clock.now_ms,
            ),
            begin=_at_once,
            refused=self.refused.append,
        )
        return self.transactions.begin(opened, is_whole=is_whole)

    def round(self) -> None:
        """A whole round of flushes."""
        for partition in self.partitions.values():
            partition.is_unflushed = False
        round_ = self.group_commit.begin()
        for file in round_.files:
            file.flush()
        self.group_commit.finish(round_)

    def pass_ms(self, duration_ms: int) -> None:
        """Let time pass, and do what is due as it becomes due."""
        self.clock.pass_ms(duration_ms, self.transactions.timers)

    def init(self, pid: int = NONE, epoch: int = NONE, **more: Any) -> list[Answer]:
        """InitProducerId; the list takes the answer."""
        asked = {"timeout_ms": 60_000, "producer_id": pid, "producer_epoch": epoch, **more}
        coordinator = self.transactions.coordinator
        return self.ask(lambda now: initialise(coordinator, ID, now=now, **asked))

    def add(self, pid: int, epoch: int, *partitions: TopicPartition) -> list[Answer]:
        """AddPartitionsToTxn; the partitions hold the transaction open from then on."""
        coordinator = self.transactions.coordinator

        def decide(now: Any) -> Any:
            return coordinator.add(ID, pid, epoch, partitions, client_version=0, now=now)

        answers = self.ask(decide)
        if answers and not answers[0].code:
            for each in partitions:
                self.partitions[each].open[pid] = epoch
        return answers

    def end(self, pid: int, epoch: int, *, commit: bool = True) -> list[Answer]:
        """EndTxn v4."""
        coordinator = self.transactions.coordinator
        return self.ask(lambda now: end(coordinator, ID, pid, epoch, is_commit=commit, now=now))

    def end5(self, pid: int, epoch: int, *, commit: bool = True) -> list[Answer]:
        """EndTxn v5."""
        coordinator = self.transactions.coordinator
        return self.ask(
            lambda now: end_bumping(coordinator, ID, pid, epoch, is_commit=commit, now=now)
        )

    def ask(self, decide: Callable[[Any], Any]) -> list[Answer]:
        """Ask for something; the list takes the answer."""
        answers: list[Answer] = []
        outcome = self.transactions.ask(ID, decide)
        if isinstance(outcome, Promise):
            outcome.deliver_to(answers.append)
        else:
            answers.append(outcome)
        return answers

    def producer(self) -> int:
        """A new id; its producer id. Its record is durable."""
        answer = self.init()[0]
        self.round()
        return answer.producer_id

    @property
    def standing(self) -> str:
        """The state that the log says."""
        return self.ledger.state.state_of(ID).kafka_name


def _at_once(steps: Any) -> None:
    for _ in steps:
        pass
