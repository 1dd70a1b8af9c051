"""One transactional id: what is known of it, and what it becomes. Values; nothing is ever changed.

Each function below is one transition; it trusts that states.py allows it. Four fields are known in
memory only: `last_producer_epoch`, which Kafka does not write either (a retry of InitProducerId is
not recognised after a restart, and the producer is told that it is fenced), and the two instants of
the running clock, so that no set wall clock ends a transaction. They have no part in equality.
Source: TransactionMetadata.java, TxnTransitMetadata.java; KIP-360, KIP-890.
Tests: tests/unit/broker/transactions/test_fold.py
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from .records import PartitionsSchema, TransactionLogValue, UnknownRecord
from .states import (
    COMPLETE_ABORT,
    COMPLETE_COMMIT,
    DURABLE,
    EMPTY,
    NEXT,
    ONGOING,
    PREPARE_ABORT,
    PREPARE_COMMIT,
    TransactionState,
)

NONE: Final = -1
EPOCH_MAX: Final = 32767  # only ever in markers
LAST_EPOCH: Final = EPOCH_MAX - 1  # the last one that a producer gets
BUMPING: Final = 2  # the client transaction version (KIP-890) whose every ending bumps the epoch


class TopicPartition(NamedTuple):
    """A partition, by its topic's name."""

    topic: str
    partition: int


class Now(NamedTuple):
    """The time, twice: ms since 1970 for what is told, and of the clock that nobody can set."""

    wall_ms: int
    running_ms: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transactional id.

    Attributes:
        previous_producer_id: that of before the last transition; -1 where nobody knows.
        next_producer_id: taken over with epoch 0 when the ending is complete; -1: none.
        partitions: sorted, each once; none unless Ongoing or Prepare*.
        start_ms: ms since 1970, -1 before the first transaction.
        client_version: 0, or 2 where the client bumps its epoch with each ending (KIP-890).
        last_producer_epoch: whose InitProducerId is a retry of the last one; -1: none.
        has_own_epoch: whether no transaction before the present or the next one had its epoch;
            False where nobody knows.
        began_at_ms, used_at_ms: of the running clock.
    """

    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: TransactionState
    last_update_ms: int
    previous_producer_id: int = NONE
    next_producer_id: int = NONE
    partitions: tuple[TopicPartition, ...] = ()
    start_ms: int = NONE
    client_version: int = 0
    last_producer_epoch: int = field(default=NONE, compare=False)
    has_own_epoch: bool = field(default=False, compare=False)
    began_at_ms: int = field(default=0, compare=False)
    used_at_ms: int = field(default=0, compare=False)

    @property
    def is_exhausted(self) -> bool:
        """Whether no producer can get the next epoch."""
        return self.producer_epoch >= LAST_EPOCH

    def has(self, partition: TopicPartition) -> bool:
        """Whether a partition was added, without a look at all of them."""
        at = bisect_left(self.partitions, partition)
        return self.partitions[at : at + 1] == (partition,)

    @property
    def successor(self) -> tuple[int, int]:
        """The producer id and epoch with which the client goes on after the ending."""
        if self.next_producer_id != NONE:
            return self.next_producer_id, 0
        return self.producer_id, self.producer_epoch


def created(producer_id: int, timeout_ms: int, now: Now) -> Transaction:
    """An id that nobody has used before."""
    return Transaction(
        producer_id=producer_id,
        producer_epoch=0,
        timeout_ms=timeout_ms,
        state=EMPTY,
        last_update_ms=now.wall_ms,
        previous_producer_id=producer_id,
        has_own_epoch=True,
        used_at_ms=now.running_ms,
    )


def initialised(
    before: Transaction,
    *,
    producer_id: int,
    producer_epoch: int,
    last_producer_epoch: int,
    timeout_ms: int,
    now: Now,
) -> Transaction:
    """After InitProducerId in an idle state. The same id and epoch again: a retry."""
    is_retry = (producer_id, producer_epoch) == (before.producer_id, before.producer_epoch)
    return replace(
        _moved(before, EMPTY, now),
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        # The retry of a retry must still find the id that it knows.
        previous_producer_id=before.previous_producer_id if is_retry else before.producer_id,
        last_producer_epoch=last_producer_epoch,
        has_own_epoch=before.has_own_epoch or not is_retry,
        timeout_ms=timeout_ms,
        start_ms=NONE,
    )


def extended(
    before: Transaction, partitions: Iterable[TopicPartition], client_version: int, now: Now
) -> Transaction:
    """With more partitions; the first ones begin a transaction."""
    after = replace(
        _moved(before, ONGOING, now),
        partitions=tuple(sorted({*before.partitions, *partitions})),
        client_version=client_version,
    )
    if before.state is ONGOING:
        return after
    return replace(after, start_ms=now.wall_ms, began_at_ms=now.running_ms)


def without(before: Transaction, topic: str, now: Now) -> Transaction:
    """Without the partitions of a topic that has been deleted; it stays open, if for nothing."""
    partitions = tuple(each for each in before.partitions if each.topic != topic)
    return replace(_moved(before, ONGOING, now), partitions=partitions)


def prepared(
    before: Transaction,
    now: Now,
    *,
    is_commit: bool,
    client_version: int,
    next_producer_id: int = NONE,
) -> Transaction:
    """Decided by EndTxn. KIP-890: under the next epoch, so that nothing late can follow.

    Args:
        next_producer_id: needed where the epoch is exhausted and is to be bumped.
    """
    bumps = client_version >= BUMPING
    return replace(
        _moved(before, PREPARE_COMMIT if is_commit else PREPARE_ABORT, now),
        producer_epoch=before.producer_epoch + bumps,
        last_producer_epoch=before.producer_epoch if bumps else before.last_producer_epoch,
        has_own_epoch=bumps,
        next_producer_id=next_producer_id,
        start_ms=before.start_ms if before.state is ONGOING else now.wall_ms,
        client_version=client_version,
    )


def fenced(before: Transaction, now: Now, *, level: int, next_producer_id: int) -> Transaction:
    """Aborted by a new producer or by time, under the next epoch, whatever client it is.

    Args:
        level: the finalized transaction.version. From 2 on the fenced producer may come back.
        next_producer_id: as for `prepared`.
    """
    return replace(
        _moved(before, PREPARE_ABORT, now),
        producer_epoch=before.producer_epoch + 1,
        last_producer_epoch=before.producer_epoch if level >= BUMPING else NONE,
        has_own_epoch=True,
        next_producer_id=next_producer_id,
        client_version=level,
    )


def completed(before: Transaction, now: Now) -> Transaction:
    """After all markers."""
    state = COMPLETE_COMMIT if before.state is PREPARE_COMMIT else COMPLETE_ABORT
    producer_id, producer_epoch = before.successor
    return replace(
        _moved(before, state, now),
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        next_producer_id=NONE,
        partitions=(),
    )


def to_value(transaction: Transaction) -> TransactionLogValue:
    """What is written of it. Kafka groups partitions by topic, and has null for an empty id."""
    by_topic: dict[str, list[int]] = {}
    for topic, partition in transaction.partitions:
        by_topic.setdefault(topic, []).append(partition)
    partitions = [PartitionsSchema(topic=name, partition_ids=ids) for name, ids in by_topic.items()]
    return TransactionLogValue(
        producer_id=transaction.producer_id,
        previous_producer_id=transaction.previous_producer_id,
        next_producer_id=transaction.next_producer_id,
        producer_epoch=transaction.producer_epoch,
        transaction_timeout_ms=transaction.timeout_ms,
        transaction_status=transaction.state.value,
        transaction_partitions=None if transaction.state is EMPTY else partitions,
        transaction_last_update_timestamp_ms=transaction.last_update_ms,
        transaction_start_timestamp_ms=transaction.start_ms,
        client_transaction_version=transaction.client_version,
    )


def from_value(value: TransactionLogValue) -> Transaction:
    """What was written. Raises UnknownRecord for a state that is never written."""
    try:
        state = TransactionState(value.transaction_status)
    except ValueError:
        state = TransactionState.DEAD
    if state not in DURABLE:
        why = f"a transaction of state {value.transaction_status}"
        raise UnknownRecord(f"__transaction_state holds {why}: start what has written it")
    return Transaction(
        producer_id=value.producer_id,
        producer_epoch=value.producer_epoch,
        timeout_ms=value.transaction_timeout_ms,
        state=state,
        last_update_ms=value.transaction_last_update_timestamp_ms,
        previous_producer_id=value.previous_producer_id,
        next_producer_id=value.next_producer_id,
        partitions=tuple(
            sorted(
                TopicPartition(each.topic, partition)
                for each in value.transaction_partitions or ()
                for partition in each.partition_ids
            )
        ),
        start_ms=value.transaction_start_timestamp_ms,
        client_version=value.client_transaction_version,
    )


def _moved(before: Transaction, state: TransactionState, now: Now) -> Transaction:
    assert state in NEXT[before.state], f"{before.state} -> {state}"
    return replace(
        before,
        state=state,
        previous_producer_id=before.producer_id,
        last_update_ms=now.wall_ms,
        used_at_ms=now.running_ms,
    )
