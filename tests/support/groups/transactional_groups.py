"""Groups and transactions on one disk, as TxnOffsetCommit meets them: no sockets, no partitions.

Both logs are real, and share their rounds of flushes, which happen when a test asks for one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

from minibroker.broker.apis.txn_offset_commit import handle
from minibroker.broker.cluster.metadata import ClusterMetadata, Topic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.figures import BrokerFigures
from minibroker.broker.storage.port import StorageError
from minibroker.broker.transactions.ending_requests import end, end_bumping
from minibroker.broker.transactions.initialising import initialise
from minibroker.broker.transactions.ledger import TransactionsLedger
from minibroker.broker.transactions.offsets_partition import offsets_place
from minibroker.broker.transactions.outcomes import Answer
from minibroker.broker.transactions.participant import Participants
from minibroker.broker.transactions.transaction import NONE
from minibroker.broker.transactions.transactions import Transactions
from minibroker.broker.waiting.long_work import AtOnce, LongWork, Slices
from minibroker.broker.world import World
from minibroker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from tests.support.groups.bare_groups import GROUP, Groups, hear

ID = "id"
WHERE = offsets_place(GROUP)
Codes = dict[tuple[str, int], int]


class TransactionalGroups:
    """A broker as far as the handler looks at it; topics t and u have 1,000 partitions each."""

    def __init__(self, slices: Slices | None = None, **settings: Any) -> None:
        self.groups = Groups(durability="fsync", log_dirs=("data",), **settings)
        self.state = ClusterMetadata()
        for name in ("t", "u"):
            self.state.topics[name] = Topic(name, name.encode() * 16, 1000, {})
        self._ids = count(100)
        self.work = LongWork(AtOnce() if slices is None else slices)
        self.begin()

    def begin(self) -> None:
        """Open what transactions keep, and take up what is found."""
        groups = self.groups
        world = World(groups.clock, groups.storage, groups.random)
        self.ledger = TransactionsLedger(groups.config, world, groups.group_commit)
        self.ledger.is_writable = True
        self.transactions = Transactions(
            groups.config,
            self.ledger,
            groups.clock,
            lambda: next(self._ids),
            Participants(
                lambda topic, number: None,
                groups.coordinator.offsets_in_transactions,
                opened=lambda topic, number: None,
                appended=lambda participant: None,
                pay=lambda act: act(),
                now_ms=groups.clock.now_ms,
            ),
            begin=self.work.begin_ahead,
            refused=_never,
        )
        self.transactions.begin([], is_whole=True)

    def producer(self, transactional_id: str = ID) -> int:
        """A new id; its producer id. Its record is durable."""
        answers = self.ask(
            transactional_id,
            lambda coordinator, now: initialise(
                coordinator,
                transactional_id,
                timeout_ms=60_000,
                producer_id=NONE,
                producer_epoch=NONE,
                now=now,
            ),
        )
        self.groups.flush()
        producer_id: int = answers[0].producer_id
        return producer_id

    def add_offsets(self, pid: int, epoch: int = 0) -> list[Answer]:
        """AddOffsetsToTxn."""
        return self.ask(
            ID,
            lambda coordinator, now: coordinator.add(
                ID, pid, epoch, [WHERE], client_version=0, now=now
            ),
        )

    def end(
        self, pid: int, epoch: int = 0, *, commit: bool = True, bumps: bool = False
    ) -> list[Answer]:
        """EndTxn, of v5 if it bumps the epoch."""
        decide = end_bumping if bumps else end
        return self.ask(
            ID,
            lambda coordinator, now: decide(coordinator, ID, pid, epoch, is_commit=commit, now=now),
        )

    def ask(self, transactional_id: str, decide: Callable[[Any, Any], Any]) -> list[Answer]:
        """A request to the coordinator; the list takes the answer."""
        answers: list[Answer] = []
        coordinator = self.transactions.coordinator
        hear(
            self.transactions.ask(transactional_id, lambda now: decide(coordinator, now)),
            answers.append,
        )
        return answers

    def commit(self, version: int, pid: int, offsets: dict[Any, int], **said: Any) -> list[Codes]:
        """TxnOffsetCommit of an offset by (topic, partition); the list takes the codes."""
        answers: list[Codes] = []
        metadata = said.pop("metadata", "")
        topics: dict[str, list[TxnOffsetCommitRequestPartition]] = {}
        for (topic, partition), offset in offsets.items():
            topics.setdefault(topic, []).append(
                TxnOffsetCommitRequestPartition(
                    partition_index=partition,
                    committed_offset=offset,
                    committed_metadata=metadata,
                )
            )
        asked = {"transactional_id": ID, "group_id": GROUP, "producer_epoch": 0, **said}
        message = TxnOffsetCommitRequest(
            producer_id=pid,
            topics=[
                TxnOffsetCommitRequestTopic(name=name, partitions=each)
                for name, each in topics.items()
            ],
            **asked,
        )
        request: Any = SimpleNamespace(message=message, route=SimpleNamespace(version=version))
        broker: Any = SimpleNamespace(
            groups=self.groups.coordinator,
            transactions=self.transactions,
            seen=SimpleNamespace(topic=self.state.topics.get),
            config=self.groups.config,
            figures=BrokerFigures(),
        )
        session: Any = None
        hear(
            self.work.begin(handle(broker, request, session)),
            lambda response: answers.append(_codes(response)),
        )
        return answers

    def told(self, partition: int = 0) -> tuple[int | None, bool]:
        """What is committed for a partition of t, and whether that is unstable."""
        unstable = self.groups.coordinator.offsets.unstable_in(GROUP)
        return self.groups.offset(partition), ("t", partition) in unstable

    @property
    def config(self) -> BrokerConfig:
        """The settings."""
        return self.groups.config


def _codes(response: Any) -> Codes:
    return {
        (topic.name, each.partition_index): each.error_code
        for topic in response.topics
        for each in topic.partitions
    }


def _never(error: StorageError) -> None:
    raise error
