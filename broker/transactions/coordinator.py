"""The transaction coordinator: each request as a decision over the state, which it never changes.

Whoever asks writes the changes of a decision into the state log, which applies them; endings.py
says in which order an ending goes, and `endings` holds those that are under way. Two requests on
one id never see each other half done: a decision is written before the next one is asked for.

Where Kafka answers 51 until the markers are written, the request is Postponed instead, with 51 as
the answer for those who would wait too long. Where a zombie of another epoch would fence the living
producer in Kafka, it is told that it is fenced itself (initialising.py). What EndTxn answers stands
in ending_requests.py. Source: TransactionCoordinator.scala of Kafka; KIP-98, KIP-360, KIP-890.
Tests: tests/unit/broker/transactions/test_adding.py, tests/unit/broker/transactions/test_endings.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ...protocol.errors import ErrorCode
from .endings import Ending, Markers, Step, begun, found
from .fold import Change, TransactionsState
from .outcomes import Answer, Ends, Outcome, Postponed, Settled, refused
from .states import (
    ANSWERS,
    ONGOING,
    PREPARE_ABORT,
    PREPARE_COMMIT,
    PREPARED,
    Ask,
    Then,
    TransactionState,
)
from .transaction import (
    BUMPING,
    EPOCH_MAX,
    NONE,
    Now,
    TopicPartition,
    Transaction,
    extended,
    fenced,
    without,
)

COORDINATOR_EPOCH: Final = 0  # one node: nobody else ever coordinates


class Coordinator:
    """Decides about all transactional ids of the broker.

    Args:
        state: the fold; read here, changed by who writes.
        take_producer_id: an id that nobody has had.
        timeout_max_ms: `transaction.max.timeout.ms`.
    """

    def __init__(
        self,
        state: TransactionsState,
        take_producer_id: Callable[[], int],
        timeout_max_ms: int,
    ) -> None:
        self.state = state
        self.take_producer_id = take_producer_id
        self.timeout_max_ms = timeout_max_ms
        self.endings: dict[str, Ending] = {}

    def standing(self, transactional_id: str) -> TransactionState:
        """The state that requests meet: Prepare* from the beginning of an ending to its end."""
        ending = self.endings.get(transactional_id)
        if ending is None:
            return self.state.state_of(transactional_id)
        return PREPARE_COMMIT if ending.is_commit else PREPARE_ABORT

    def add(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[TopicPartition],
        *,
        client_version: int,
        now: Now,
    ) -> Outcome:
        """Take partitions into the transaction, which they may begin.

        For AddPartitionsToTxn and AddOffsetsToTxn, and for Produce v12 and TxnOffsetCommit v5,
        which add what they write to. That the partitions are there is the caller's to know.

        Args:
            client_version: BUMPING for the latter two.
        """
        if not transactional_id:
            return refused(ErrorCode.INVALID_REQUEST)
        standing = self.standing(transactional_id)
        verdict = ANSWERS[standing, Ask.ADD]
        if isinstance(verdict, ErrorCode):
            return refused(verdict)
        if verdict is Then.WAIT:
            return Postponed(transactional_id)
        before = self.state.transactions[transactional_id]
        wrong = wrong_producer(before, producer_id, producer_epoch)
        if wrong is not None:
            return refused(wrong)
        is_added = verdict is Then.ADD and all(map(before.has, partitions))
        writes_next = client_version >= BUMPING and not before.has_own_epoch
        if is_added or not partitions:
            return Settled(Answer(), when_durable=writes_next)
        if client_version >= BUMPING and self.state.level == 0:
            # In Kafka the record cannot be written, and the id is stuck for good.
            return refused(ErrorCode.UNSUPPORTED_VERSION)
        after = extended(before, partitions, client_version, now)
        return Settled(Answer(), (Change(transactional_id, after),), writes_next)

    def verify(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Iterable[TopicPartition],
    ) -> Outcome:
        """Whether partitions are in the transaction: for each of them none, or 120.

        For AddPartitionsToTxn with verify_only, and for Produce v3 to v11 and TxnOffsetCommit v0 to
        v4, whose clients have added what they write to.
        """
        if not transactional_id:
            return refused(ErrorCode.INVALID_REQUEST)
        verdict = ANSWERS[self.standing(transactional_id), Ask.VERIFY]
        before = self.state.transactions.get(transactional_id)
        if before is None:
            return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        wrong = wrong_producer(before, producer_id, producer_epoch)
        if wrong is not None:
            return refused(wrong)
        if verdict is Then.WAIT:
            return Postponed(transactional_id)
        is_open, not_added = verdict is Then.LOOK, ErrorCode.TRANSACTION_ABORTABLE
        codes = {
            each: ErrorCode.NONE if is_open and before.has(each) else not_added
            for each in partitions
        }
        writes_next = is_open and not before.has_own_epoch
        return Settled(Answer(by_partition=codes), when_durable=writes_next)

    def begin(self, transactional_id: str, prepare: Transaction) -> Ending:
        """An ending begins; the caller has looked whether it may."""
        before = self.state.transactions[transactional_id]
        assert self.state.allows(Change(transactional_id, prepare))
        ending = begun(before, prepare, COORDINATOR_EPOCH)
        self.endings[transactional_id] = ending
        return ending

    def fence(self, transactional_id: str, now: Now) -> Ends:
        """Abort what is Ongoing under the next epoch: for a new producer, or because of time."""
        before, level = self.state.transactions[transactional_id], self.state.level
        rotates = level >= BUMPING and before.is_exhausted
        next_id = self.take_producer_id() if rotates else NONE
        self.begin(transactional_id, fenced(before, now, level=level, next_producer_id=next_id))
        return Ends(transactional_id)

    def withdraw(self, transactional_id: str) -> None:
        """Prepare* could not be written: nothing has ended, and whoever waits is asked again."""
        assert self.endings[transactional_id].step <= Step.DECIDING
        assert self.state.state_of(transactional_id) not in PREPARED, "it has been written"
        del self.endings[transactional_id]

    def decide(self, transactional_id: str) -> Change:
        """All that the transaction has written is durable: the Prepare* to write."""
        ending = self.endings[transactional_id]
        assert ending.step is Step.BEGUN
        ending.step = Step.DECIDING
        return Change(transactional_id, ending.prepare)

    def decided(self, transactional_id: str) -> Markers:
        """Prepare* is durable: the markers to append. Without any, the ending is marked at once."""
        ending = self.endings[transactional_id]
        assert ending.step is Step.DECIDING
        assert self.state.transactions[transactional_id] == ending.prepare, "it is not written"
        ending.step = Step.DECIDED
        markers = ending.markers()
        ending.mark_if_all()
        return markers

    def marked(self, transactional_id: str, partition: TopicPartition) -> bool:
        """A marker is appended, or its partition is no more; whether that was the last one."""
        return self.endings[transactional_id].mark(partition)

    def forget(self, transactional_id: str, partition: TopicPartition) -> None:
        """A partition of an ending is no more, and its markers are not due yet."""
        ending = self.endings[transactional_id]
        ending.unmarked.discard(partition)
        if ending.step is Step.BEGUN:
            left = tuple(each for each in ending.prepare.partitions if each != partition)
            ending.prepare = replace(ending.prepare, partitions=left)

    def complete(self, transactional_id: str, now: Now) -> Change:
        """All markers are durable: the Complete* to write; again if it could not be written."""
        return Change(transactional_id, self.endings[transactional_id].complete(now))

    def over(self, transactional_id: str) -> None:
        """Complete* is in the log: whoever waits is asked again."""
        assert self.endings[transactional_id].step is Step.COMPLETING
        assert self.state.state_of(transactional_id) not in PREPARED, "Complete* is not written"
        del self.endings[transactional_id]

    def time_out(self, names: Iterable[str], now: Now) -> list[Ends]:
        """Fence every transaction of these ids that has been open for longer than its timeout."""
        late = [
            name
            for name, each in self._known(names)
            if ANSWERS[self.standing(name), Ask.TIME_OUT] is Then.FENCE
            and each.began_at_ms + each.timeout_ms < now.running_ms
        ]
        return [self.fence(name, now) for name in late]

    def expire(self, names: Iterable[str], expiration_ms: int, now: Now) -> list[Change]:
        """Removals of those ids that nobody has used for `transactional.id.expiration.ms`."""
        return [
            Change(name, None)
            for name, each in self._known(names)
            if ANSWERS[self.standing(name), Ask.EXPIRE] is Then.REMOVE
            and each.used_at_ms + expiration_ms <= now.running_ms
        ]

    def without_topic(self, topic: str, names: Iterable[str], now: Now) -> list[Change]:
        """A topic was deleted: what becomes of those ids whose open transaction has it."""
        return [
            Change(name, without(each, topic, now))
            for name, each in self._known(names)
            if each.state is ONGOING
            and name not in self.endings
            and any(where.topic == topic for where in each.partitions)
        ]

    def _known(self, names: Iterable[str]) -> Iterator[tuple[str, Transaction]]:
        for name in names:
            found = self.state.transactions.get(name)
            if found is not None:
                yield name, found

    def start(self, now: Now) -> list[str]:
        """Take up what a start has found, which is durable. Once, before the first request.

        Returns:
            The ids that are decided and not complete. Claims find where their markers are missing.
        """
        for name, each in self.state.transactions.items():
            # No clock ran through the stop; what the wall clock says counts, within bounds.
            began = now.running_ms - _elapsed(each.start_ms, now, each.timeout_ms)
            used = now.running_ms - max(0, now.wall_ms - each.last_update_ms)
            clocked = replace(each, began_at_ms=began, used_at_ms=used)
            self.state.transactions[name] = clocked
            if each.state in PREPARED:
                self.endings[name] = found(clocked, COORDINATOR_EPOCH)
        return list(self.endings)


def wrong_producer(before: Transaction, producer_id: int, producer_epoch: int) -> ErrorCode | None:
    """What is said to who is not the present producer of an id."""
    if producer_id != before.producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    # Nobody gets the last epoch of all: it is for the marker that fences, and has no next one.
    if producer_epoch != before.producer_epoch or producer_epoch >= EPOCH_MAX:
        return ErrorCode.PRODUCER_FENCED
    return None


def _elapsed(start_ms: int, now: Now, timeout_ms: int) -> int:
    """For how long a transaction has been open, 0 up to just past its timeout."""
    return min(max(0, now.wall_ms - start_ms), timeout_ms + 1)
