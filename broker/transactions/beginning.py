"""A start, as far as transactions go: what is found is finished or claimed, before one is served.

Tried again until all of it can be written: on a full disk a broker reads, and says 14 meanwhile.
Tests: tests/unit/broker/transactions/test_beginning.py
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from ..limits import ENDING_RETRY_MS
from ..log.recovery import Known
from ..log_lines import Event, Line
from ..storage.names import ADOPTED_TRANSACTIONS
from ..storage.port import FlushFailed, Storage, StorageError
from ..world import Clock
from .claims import OpenTransaction
from .offsets_partition import OFFSETS_PARTITIONS, OFFSETS_TOPIC, offsets_partition
from .transaction import TopicPartition
from .transactions import Transactions


class Opened(Protocol):
    """A transaction that a partition holds open."""

    @property
    def producer_id(self) -> int: ...
    @property
    def producer_epoch(self) -> int: ...


class Holder(Protocol):
    """A partition with what is open in it."""

    topic: str
    index: int

    @property
    def transactions(self) -> Iterable[Opened]: ...


class Beginning:
    """The start of one broker's transactions.

    Args:
        partitions: all that are open.
        pending: (producer id, epoch, groups) of the committed offsets that wait for a marker.
        is_whole: see `knows_all_decisions`.
        refused: nothing could be written; for the operator.
    """

    def __init__(
        self,
        transactions: Transactions,
        storage: Storage,
        clock: Clock,
        warn: Callable[[Line], None],
        *,
        partitions: Callable[[], Iterable[Holder]],
        pending: Callable[[], Iterable[tuple[int, int, Collection[str]]]],
        is_whole: bool,
        refused: Callable[[StorageError], None],
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._clock = clock
        self._warn = warn
        self._partitions = partitions
        self._pending = pending
        self._is_whole = is_whole
        self._refused = refused

    def begin(self) -> None:
        """Serve transactions from now on, or as soon as there is room."""
        try:
            held = self._transactions.begin(self._opened(), is_whole=self._is_whole)
        except FlushFailed:
            raise
        except StorageError as error:
            self._refused(error)
            at_ms = self._clock.monotonic_ms() + ENDING_RETRY_MS
            self._transactions.timers.set(("begin", "", ""), at_ms, self.begin)
            return
        for each in held:
            self._warn_of(each)
        if not held:
            self._storage.remove(ADOPTED_TRANSACTIONS)

    def _opened(self) -> Iterator[OpenTransaction]:
        for partition in tuple(self._partitions()):
            where = TopicPartition(partition.topic, partition.index)
            for each in tuple(partition.transactions):
                yield OpenTransaction(where, each.producer_id, each.producer_epoch)
        for producer_id, producer_epoch, groups in tuple(self._pending()):
            for number in {offsets_partition(each, OFFSETS_PARTITIONS) for each in groups}:
                where = TopicPartition(OFFSETS_TOPIC, number)
                yield OpenTransaction(where, producer_id, producer_epoch)

    def _warn_of(self, held: OpenTransaction) -> None:
        self._warn(
            Event(
                "transaction-held",
                partition=f"{held.partition.topic}-{held.partition.partition}",
                producer_id=held.producer_id,
                producer_epoch=held.producer_epoch,
                why="what was decided about it may have been lost; readers of committed records "
                "stop before it",
                then="minibroker transactions find-hanging shows it, transactions abort ends it",
            )
        )


def knows_all_decisions(storage: Storage, known: Known, durability: str) -> bool:
    """Whether the log of transactions has lost nothing that was ever durable.

    1. that log was set aside, or taken as it is  2. a partition holds a transaction that it does
    not know  3. was it never acknowledged, or committed? Nobody can say, and so nothing is aborted.
    The same goes for a log of which no flush is on record.
    """
    if storage.exists(ADOPTED_TRANSACTIONS):
        return False
    if known.last is not None:
        return True
    return durability == "fsync" and known.flushed_offset is not None
