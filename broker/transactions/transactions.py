"""The transactions of a broker: who asks, in which order, and what time does by itself.

    ask        a decision of the coordinator, written; or later, when an ending is over
    begin      a start: decisions found are finished, open transactions are claimed (duty 7)
    by time    transactions open for too long are aborted, ids idle for too long are forgotten

Requests for one id are asked in the order in which they came: whoever meets an ending waits in the
line of that id, and who comes while somebody waits goes behind him. Nobody waits longer than
POSTPONED_MS_MAX; then Kafka's answer is given, 51.
Read next: coordinator.py (what is decided), completion.py (how a transaction ends).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import Any, Final

from ...protocol.errors import ErrorCode
from ..config.broker import BrokerConfig
from ..limits import POSTPONED_MS_MAX
from ..log_lines import Event
from ..storage.port import FlushFailed, StorageError
from ..waiting.isolation import ENDS_THE_BROKER, each_alone
from ..waiting.promise import Failure, Promise
from ..waiting.timers import Key, Timers
from ..world import Clock
from .claims import Abandoned, Claim, GoesOn, Held, OpenTransaction, claim, ids_of_producers
from .completion import STOPPING, UNAVAILABLE, Completion
from .coordinator import Coordinator
from .fold import Change, TransactionsState
from .ledger import TransactionsLedger
from .outcomes import Answer, Ends, Outcome, Postponed, Settled
from .participant import Participants
from .states import ONGOING
from .transaction import Now

IDS_A_STEP: Final = 500  # that are looked at in one go
_LOADING: Final = Answer(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)

Decide = Callable[[Now], Outcome]

logger = logging.getLogger("minibroker")


class _Asked:
    """A request that waits for an ending."""

    __slots__ = ("decide", "promise", "timer")

    def __init__(self, decide: Decide, promise: Promise, timer: Key) -> None:
        self.decide = decide
        self.promise = promise
        self.timer = timer


class Transactions:
    """Everything about transactions that a broker is asked.

    Args:
        take_producer_id: an id that nobody has had.
        begin: LongWork.begin_ahead.
        refused: the state log could not be written; for the operator.
    """

    def __init__(
        self,
        config: BrokerConfig,
        ledger: TransactionsLedger,
        clock: Clock,
        take_producer_id: Callable[[], int],
        participants: Participants,
        *,
        begin: Callable[[Generator[None, Any, None]], object],
        refused: Callable[[StorageError], None],
    ) -> None:
        self.coordinator = Coordinator(
            ledger.state, take_producer_id, config.transaction_max_timeout_ms
        )
        self.ledger = ledger
        self.timers = Timers()
        self._config = config
        self._clock = clock
        self._participants = participants
        self._begin_work = begin
        self._refused = refused
        self.completion = Completion(
            self.coordinator,
            ledger,
            participants,
            clock,
            self.timers,
            begin=begin,
            over=self._ask_again,
            withdrawn=self._refuse_line,
        )
        self._lines: dict[str, dict[int, _Asked]] = {}
        self._asking_again: set[str] = set()
        self._numbers = count()
        self._is_begun = False

    @property
    def state(self) -> TransactionsState:
        """What is durable, or about to be."""
        return self.ledger.state

    def ask(self, transactional_id: str, decide: Decide) -> Answer | Promise:
        """Decide about a request, and write what is decided.

        Args:
            decide: asks the coordinator; called at once, or when an ending of this id is over.
        Returns: an Answer, or a promise of one. When it is given all is written, but not durable:
            see `when_durable`. Whoever goes on with it in the same turn finds what was decided.
        """
        if not self._is_begun:
            return _LOADING
        if transactional_id in self._lines:
            return self._wait(transactional_id, decide, Postponed(transactional_id))
        outcome = self._decided(transactional_id, decide)
        if isinstance(outcome, Postponed):
            return self._wait(transactional_id, decide, outcome)
        return outcome

    def when_durable(self, message: Any, refusal: Callable[[], Any]) -> Any:
        """A response that stands once all decisions are durable: itself, or a promise of it."""
        return self.ledger.when_durable(message, refusal)

    def begin(self, opened: Iterable[OpenTransaction], *, is_whole: bool) -> list[OpenTransaction]:
        """Take up what a start has found. From now on requests are answered.

        Args:
            opened: what participants hold of transactions without a marker.
            is_whole: whether the state log has lost nothing that was ever durable.
        Returns: those that are held: nobody can say what was decided about them.
        Raises:
            StorageError: not all could be written; to be called again.
        """
        self._forget_missing()
        self.coordinator.start(self._now())
        held = self._claim_all(opened, is_whole=is_whole)
        self._is_begun = True
        self._await_timeouts()
        self._await_expiry()
        each_alone(
            tuple(self.coordinator.endings), self.completion.go_on, "finishing a transaction"
        )
        return held

    def forget_topics(self, names: Sequence[str]) -> Generator[None, Any, None]:
        """Topics were deleted: no transaction has their partitions any more. In steps.

        1. a transaction writes to t  2. t is deleted, and another t created  3. the transaction
        ends: by its name, the marker would go to the new one. So names are forgotten while they
        are still taken; a start forgets those that a crash has left (_forget_missing).

        Raises StorageError.
        """
        for name in names:
            for transactional_id in tuple(self.coordinator.endings):
                if transactional_id in self.coordinator.endings:
                    self.completion.forget_topic(transactional_id, name)
            for some in self._portions():
                self._write(self.coordinator.without_topic(name, some, self._now()))
                yield

    def _decided(self, transactional_id: str, decide: Decide) -> Answer | Promise | Postponed:
        while True:
            outcome = decide(self._now())
            if isinstance(outcome, Postponed):
                return outcome
            if not isinstance(outcome, Ends):
                return self._settled(transactional_id, outcome)
            promise = self.completion.begin(transactional_id, outcome.answer)
            if promise is not None:
                return promise.message if promise.is_kept else promise
            if transactional_id in self.coordinator.endings:
                return Postponed(transactional_id)
            if self.state.state_of(transactional_id) is ONGOING:  # it could not be decided
                return UNAVAILABLE

    def _settled(self, transactional_id: str, outcome: Settled) -> Answer | Promise:
        if not self._write(outcome.changes):
            return UNAVAILABLE
        answer = outcome.answer
        if not outcome.when_durable or self.ledger.is_durable_of(transactional_id):
            return answer
        return self.ledger.when_durable(answer, lambda: STOPPING)

    def _write(self, changes: Sequence[Change]) -> bool:
        """Write changes, if there are any; whether that was possible."""
        try:
            if changes:
                self.ledger.commit(changes)
        except FlushFailed:
            raise
        except StorageError as error:
            self._refused(error)
            return False
        return True

    def _wait(self, transactional_id: str, decide: Decide, postponed: Postponed) -> Promise:
        number = next(self._numbers)
        promise = Promise(lambda: self._leave(transactional_id, number))
        timer = ("postponed", transactional_id, str(number))
        line = self._lines.setdefault(transactional_id, {})
        line[number] = _Asked(decide, promise, timer)

        def give_up() -> None:
            self._leave(transactional_id, number)
            promise.keep(postponed.otherwise)

        self.timers.set(timer, self._clock.monotonic_ms() + POSTPONED_MS_MAX, give_up)
        return promise

    def _leave(self, transactional_id: str, number: int) -> None:
        """Whoever waits longest in vain does not stay in line: an ending may take for ever."""
        line = self._lines.get(transactional_id, {})
        asked = line.pop(number, None)
        if asked is not None:
            self.timers.cancel(asked.timer)
        if not line and transactional_id not in self._asking_again:
            self._lines.pop(transactional_id, None)

    def _ask_again(self, transactional_id: str) -> None:
        """An ending is over: whoever waits for this id is asked, until the next ending begins."""
        # 1. three wait  2. the first is told, and its client asks on in the same turn  3. decided
        # at once, that would come before the second. So the line stays until nobody is in it.
        line = self._lines.get(transactional_id)
        if line is None or transactional_id in self._asking_again:
            return
        self._asking_again.add(transactional_id)
        try:
            while line and transactional_id not in self.coordinator.endings:
                number, asked = next(iter(line.items()))
                outcome = self._asked_again(transactional_id, asked.decide)
                if isinstance(outcome, Postponed):
                    return
                self._leave(transactional_id, number)
                if isinstance(outcome, Promise):
                    outcome.deliver_to(asked.promise.keep)
                else:
                    asked.promise.keep(outcome)
        finally:
            self._asking_again.discard(transactional_id)
            if not line:
                self._lines.pop(transactional_id, None)

    def _asked_again(
        self, transactional_id: str, decide: Decide
    ) -> Answer | Promise | Postponed | Failure:
        try:
            return self._decided(transactional_id, decide)
        except ENDS_THE_BROKER:
            raise
        except Exception as error:
            logger.exception("a decision about a transaction could not be made")
            return Failure(error)

    def _refuse_line(self, transactional_id: str) -> None:
        """Nothing could be decided: asked again at once, who waits would only try the same."""
        for number, asked in tuple(self._lines.get(transactional_id, {}).items()):
            self._leave(transactional_id, number)
            asked.promise.keep(UNAVAILABLE)

    def _forget_missing(self) -> None:
        """Of the transactions that are open, the partitions whose topics are gone."""
        names = {
            where.topic
            for each in self.state.transactions.values()
            for where in each.partitions
            if self._participants.find(where) is None
        }
        for name in names:
            for some in self._portions():
                changes = self.coordinator.without_topic(name, some, self._now())
                if changes:
                    self.ledger.commit(changes)

    def _claim_all(
        self, opened: Iterable[OpenTransaction], *, is_whole: bool
    ) -> list[OpenTransaction]:
        ids = ids_of_producers(self.coordinator)
        held = []
        for each in opened:
            found: Claim = claim(self.coordinator, ids, each, is_whole=is_whole, now=self._now())
            if isinstance(found, GoesOn) and found.change is not None:
                self.ledger.commit([found.change])
            elif isinstance(found, Abandoned):
                self._participants.append_marker(each.partition, found.marker)
            elif isinstance(found, Held):
                held.append(each)
        return held

    def _await_timeouts(self) -> None:
        interval_ms = self._config.transaction_abort_timed_out_transaction_cleanup_interval_ms
        at_ms = self._clock.monotonic_ms() + interval_ms
        self.timers.set(("timeouts", "", ""), at_ms, self._look_for_late)

    def _look_for_late(self) -> None:
        self._await_timeouts()
        self._begin_work(self._time_out())

    def _time_out(self) -> Generator[None, Any, None]:
        for some in self._portions():
            for ends in self.coordinator.time_out(some, self._now()):
                ended = self.coordinator.endings[ends.transactional_id]
                logger.warning(
                    Event(
                        "transaction-timed-out",
                        transactional_id=ends.transactional_id,
                        producer_id=ended.producer_id,
                        producer_epoch=ended.producer_epoch,
                    )
                )
                each_alone(
                    [ends.transactional_id],
                    partial(self.completion.begin, answer=None),
                    "aborting a late transaction",
                )
            yield

    def _await_expiry(self) -> None:
        interval_ms = self._config.transaction_remove_expired_transaction_cleanup_interval_ms
        at_ms = self._clock.monotonic_ms() + interval_ms
        self.timers.set(("expiry", "", ""), at_ms, self._look_for_idle)

    def _look_for_idle(self) -> None:
        self._await_expiry()
        self._begin_work(self._expire())

    def _expire(self) -> Generator[None, Any, None]:
        expiration_ms = self._config.transactional_id_expiration_ms
        for some in self._portions():
            self._write(self.coordinator.expire(some, expiration_ms, self._now()))
            yield

    def _portions(self) -> Iterator[list[str]]:
        """All ids, as they are now, some at a time."""
        names = iter(tuple(self.state.transactions))
        while some := list(islice(names, IDS_A_STEP)):
            yield some

    def _now(self) -> Now:
        return Now(self._clock.now_ms(), self._clock.monotonic_ms())
