"""Endings on their way: what endings.py says in which order, done, with all the waiting between.

    begin       close the partitions; flush what the transaction wrote, unless it is flushed already
    _decide     write Prepare*; flush it
    _mark       append the markers, some at a time; what finds no room is tried again
    _marked     EndTxn is answered; flush the markers
    _complete   write Complete*; whoever waits for this id is asked again

One flush lies between EndTxn and its answer, that of Prepare*, and whoever ends in the same round
shares it. A flush that fails ends the broker, and whoever asked is told that it is no coordinator.
Read next: endings.py, participant.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from enum import StrEnum
from typing import Any, Final

from ...protocol.errors import ErrorCode
from ..limits import ENDING_RETRY_MS
from ..log_lines import Event
from ..storage.port import FlushFailed, StorageError
from ..waiting.promise import Promise, then
from ..waiting.timers import Timers
from ..world import Clock
from .coordinator import Coordinator
from .endings import Ending, Step
from .ledger import TransactionsLedger
from .outcomes import Answer
from .participant import Participant, Participants
from .transaction import Now, TopicPartition

MARKERS_A_STEP: Final = 8  # the first batch of a partition is a directory and files
UNAVAILABLE: Final = Answer(ErrorCode.COORDINATOR_NOT_AVAILABLE)
STOPPING: Final = Answer(ErrorCode.NOT_COORDINATOR)

logger = logging.getLogger("minibroker")


class Moment(StrEnum):
    """Where an ending can be stopped on purpose, to see that it is all or nothing."""

    PREPARED = "txn.prepared"  # Prepare* is durable, no marker is appended
    MARKER = "txn.marker"  # before the marker of each partition
    COMPLETED = "txn.completed"  # Complete* is written, nobody has been asked again


At = Callable[[Moment, str, Ending, TopicPartition | None, Callable[[], None]], None]


def _at_once(
    moment: Moment,
    transactional_id: str,
    ending: Ending,
    where: TopicPartition | None,
    go_on: Callable[[], None],
) -> None:
    go_on()


class Completion:
    """Takes endings from their beginning to their end.

    Args:
        begin: LongWork.begin_ahead.
        over: called when an ending is over: whoever waits for that id may be asked again.
        withdrawn: called when one could not be decided: nothing has ended.

    Attributes:
        at: called at each Moment, with the partition whose marker is due, and with what is to
            follow; faults hold it up.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        ledger: TransactionsLedger,
        participants: Participants,
        clock: Clock,
        timers: Timers,
        *,
        begin: Callable[[Generator[None, Any, None]], object],
        over: Callable[[str], None],
        withdrawn: Callable[[str], None],
    ) -> None:
        self.at: At = _at_once
        self._coordinator = coordinator
        self._ledger = ledger
        self._participants = participants
        self._clock = clock
        self._timers = timers
        self._begin = begin
        self._over = over
        self._withdrawn = withdrawn
        self._answers: dict[str, tuple[Promise, Answer]] = {}

    def begin(self, transactional_id: str, answer: Answer | None) -> Promise | None:
        """Go on with an ending that the coordinator has just begun.

        Returns: a promise of the answer, if there is one.
        """
        promise = None
        if answer is not None:
            promise = Promise()
            self._answers[transactional_id] = promise, answer
        producer_id = self._coordinator.endings[transactional_id].producer_id
        holds_unflushed = False
        for each in self._opened(transactional_id):
            each.close_transaction(producer_id)
            holds_unflushed |= each.holds_unflushed(producer_id)
        # 1. a batch is written, its acknowledgement waits for a flush  2. its producer, in a hurry
        # or with acks=0, ends the transaction  3. Prepare* written now could be in the same flush,
        # and after a power loss be all that is left: a commit without its records.
        if holds_unflushed:
            self._once_flushed(transactional_id, self._decide)
        else:
            self._decide(transactional_id)
        return promise

    def go_on(self, transactional_id: str) -> None:
        """Take up an ending that a start has found decided."""
        ending = self._coordinator.endings[transactional_id]
        if ending.step is Step.DECIDED:
            # Nobody knows any more that these were closed: a batch that comes before the marker
            # would be taken into the transaction, and be committed or aborted with it.
            for each in self._opened(transactional_id):
                each.close_transaction(ending.producer_id)
            self._append_markers(transactional_id)
        else:
            self._marked(transactional_id)

    def forget_topic(self, transactional_id: str, topic: str) -> None:
        """A topic of an ending has been deleted: no marker is due there any more."""
        ending = self._coordinator.endings[transactional_id]
        for where in [each for each in ending.unmarked if each.topic == topic]:
            if ending.step is Step.DECIDED:
                self._note_marked(transactional_id, where)
            else:
                self._coordinator.forget(transactional_id, where)

    def _opened(self, transactional_id: str) -> Iterator[Participant]:
        """Where this transaction may have written something."""
        for where in self._coordinator.endings[transactional_id].unmarked:
            participant = self._participants.find_opened(where)
            if participant is not None:
                yield participant

    def _decide(self, transactional_id: str) -> None:
        change = self._coordinator.decide(transactional_id)
        try:
            self._ledger.commit([change])
        except FlushFailed:
            raise
        except StorageError as error:
            self._withdraw(transactional_id, error)
            return
        self._once_flushed(transactional_id, self._mark)

    def _withdraw(self, transactional_id: str, error: StorageError) -> None:
        ending = self._coordinator.endings[transactional_id]
        logger.error(Event("transaction-not-ended", transactional_id=transactional_id, why=error))
        for each in self._opened(transactional_id):
            each.reopen_transaction(ending.producer_id)
        self._coordinator.withdraw(transactional_id)
        self._answer(transactional_id, UNAVAILABLE)
        self._withdrawn(transactional_id)

    def _mark(self, transactional_id: str) -> None:
        def go_on() -> None:
            self._coordinator.decided(transactional_id)
            if self._coordinator.endings[transactional_id].step is Step.MARKED:
                self._marked(transactional_id)
            else:
                self._append_markers(transactional_id)

        ending = self._coordinator.endings[transactional_id]
        self.at(Moment.PREPARED, transactional_id, ending, None, go_on)

    def _append_markers(self, transactional_id: str) -> None:
        self._begin(self._append_some(transactional_id))

    def _append_some(self, transactional_id: str) -> Generator[None, Any, None]:
        ending = self._coordinator.endings[transactional_id]
        for number, where in enumerate(ending.markers().partitions, 1):
            append = self._appender(transactional_id, where)
            self.at(Moment.MARKER, transactional_id, ending, where, append)
            if not number % MARKERS_A_STEP:
                yield

    def _appender(self, transactional_id: str, where: TopicPartition) -> Callable[[], None]:
        def append() -> None:
            ending = self._coordinator.endings[transactional_id]
            if where not in ending.unmarked:
                return  # its topic was deleted meanwhile
            try:
                self._participants.append_marker(where, ending.marker)
            except (FlushFailed, AssertionError):
                raise
            except Exception as error:  # noqa: BLE001  any: else the transaction would stay open
                self._try_again(transactional_id, where, error)
            else:
                self._note_marked(transactional_id, where)

        return append

    def _try_again(self, transactional_id: str, where: TopicPartition, error: Exception) -> None:
        """A marker could not be appended: the transaction stays decided, and ends later."""
        logger.error(
            Event(
                "marker-not-written",
                transactional_id=transactional_id,
                partition=f"{where.topic}-{where.partition}",
                why=error,
            )
        )
        key = ("marker", transactional_id, f"{where.topic}-{where.partition}")
        at_ms = self._clock.monotonic_ms() + ENDING_RETRY_MS
        self._timers.set(key, at_ms, self._appender(transactional_id, where))

    def _note_marked(self, transactional_id: str, where: TopicPartition) -> None:
        if self._coordinator.marked(transactional_id, where):
            self._marked(transactional_id)

    def _marked(self, transactional_id: str) -> None:
        if transactional_id in self._answers:
            self._answer(transactional_id, self._answers[transactional_id][1])
        self._once_flushed(transactional_id, self._complete)

    def _complete(self, transactional_id: str) -> None:
        now = Now(self._clock.now_ms(), self._clock.monotonic_ms())
        try:
            self._ledger.commit([self._coordinator.complete(transactional_id, now)])
        except FlushFailed:
            raise
        except StorageError:  # the disk is full; the ending is not over before it is written
            at_ms = now.running_ms + ENDING_RETRY_MS
            key = ("complete", transactional_id, "")
            self._timers.set(key, at_ms, lambda: self._complete(transactional_id))
            return

        def go_on() -> None:
            self._coordinator.over(transactional_id)
            self._over(transactional_id)

        ending = self._coordinator.endings[transactional_id]
        self.at(Moment.COMPLETED, transactional_id, ending, None, go_on)

    def _once_flushed(self, transactional_id: str, go_on: Callable[[str], None]) -> None:
        def step(is_flushed: bool) -> None:
            if is_flushed:
                go_on(transactional_id)
            else:
                self._answer(transactional_id, STOPPING)

        then(self._ledger.when_flushed(), step)

    def _answer(self, transactional_id: str, answer: Answer) -> None:
        promise, _ = self._answers.pop(transactional_id, (None, None))
        if promise is not None:
            promise.keep(answer)
