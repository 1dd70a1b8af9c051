"""The transaction coordinator without a broker around it: a log in memory, markers in a list.

Every outcome is carried out as its text says. `holds` keeps markers from being appended, and then
whoever would wait is given the answer of those who have waited too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from minibroker.broker.transactions.coordinator import Coordinator
from minibroker.broker.transactions.ending_requests import end, end_bumping
from minibroker.broker.transactions.endings import Step
from minibroker.broker.transactions.fold import Change, TransactionsState
from minibroker.broker.transactions.initialising import initialise
from minibroker.broker.transactions.outcomes import Answer, Ends, Outcome, Settled
from minibroker.broker.transactions.transaction import NONE, Now, TopicPartition, Transaction
from minibroker.protocol.batch.control import Marker

ID = "id"
FIRST_PRODUCER_ID = 100
A, B = TopicPartition("t", 0), TopicPartition("t", 1)
TIMEOUT_MAX_MS = 900_000
Told = tuple[int, int, int]


class Transactions:
    """A coordinator, its log, and what it has done."""

    def __init__(self, level: int = 2) -> None:
        self.level = level
        self.now = Now(1_700_000_000_000, 5_000)
        self.holds = False
        self.log: list[tuple[bytes, bytes | None]] = []
        self.written: list[Change] = []
        self.markers: list[tuple[TopicPartition, Marker]] = []
        self._ids = count(FIRST_PRODUCER_ID)
        self.state = TransactionsState(level)
        self.coordinator = self._coordinator()

    def _coordinator(self) -> Coordinator:
        return Coordinator(self.state, lambda: next(self._ids), TIMEOUT_MAX_MS)

    def pass_ms(self, elapsed_ms: int) -> None:
        """Both clocks go on."""
        self.now = Now(self.now.wall_ms + elapsed_ms, self.now.running_ms + elapsed_ms)

    def restart(self) -> None:
        """All that is in the log is durable; what was decided is finished."""
        self.state = self.replayed()
        self.coordinator = self._coordinator()
        for name in self.coordinator.start(self.now):
            self._claim(name)
            if not self.holds:
                self.finish(name)

    def _claim(self, name: str) -> None:
        """As claims.py does it: a partition without this ending's marker holds it open."""
        decided = self.state.transactions[name]
        which = decided.producer_id, decided.producer_epoch
        for partition in decided.partitions:
            if not any(at == partition and each[:2] == which for at, each in self.markers):
                self.coordinator.endings[name].also(partition)

    def replayed(self) -> TransactionsState:
        """The state that the log says."""
        state = TransactionsState(self.level)
        for key, value in self.log:
            state.apply(state.decode(key, value))
        return state

    def write(self, changes: Sequence[Change]) -> None:
        """Append to the log, and apply."""
        for change in changes:
            assert self.state.allows(change)
            before, after = self.state.transactions.get(change[0]), change.transaction
            if before is not None and after is not None and before.producer_id == after.producer_id:
                assert before.producer_epoch <= after.producer_epoch, "an epoch went back"
            self.log.append(self.state.encode(change))
            self.state.apply(change)
            self.written.append(change)

    def ask(self, request: Callable[[], Outcome]) -> Answer:
        """Carry a request out to its answer."""
        for _ in range(3):
            outcome = request()
            if isinstance(outcome, Settled):
                self.write(outcome.changes)
                return outcome.answer
            name = outcome.transactional_id
            self.finish(name)
            if isinstance(outcome, Ends) and outcome.answer is not None:
                return outcome.answer
            if name in self.coordinator.endings:
                return Answer() if isinstance(outcome, Ends) else outcome.otherwise
        raise AssertionError("asked again and again")

    def finish(self, name: str) -> None:
        """Take an ending as far as it goes: to its markers if they are held, else to its end."""
        coordinator = self.coordinator
        if coordinator.endings[name].step is Step.BEGUN:
            self.write([coordinator.decide(name)])
            coordinator.decided(name)
        if self.holds:
            return
        ending = coordinator.endings[name]
        if ending.step is Step.DECIDED:
            marker, partitions = ending.markers()
            self.markers += [(partition, marker) for partition in partitions]
            assert [coordinator.marked(name, each) for each in partitions][-1]
        self.write([coordinator.complete(name, self.now)])
        coordinator.over(name)

    def init(
        self, pid: int = NONE, epoch: int = NONE, *, name: str = ID, timeout_ms: int = 60_000
    ) -> Told:
        """InitProducerId: (code, producer id, epoch)."""
        answer = self.ask(
            lambda: initialise(
                self.coordinator,
                name,
                timeout_ms=timeout_ms,
                producer_id=pid,
                producer_epoch=epoch,
                now=self.now,
            )
        )
        return told(answer)

    def add(
        self,
        pid: int,
        epoch: int,
        *partitions: TopicPartition,
        name: str = ID,
        client_version: int = 0,
    ) -> int:
        """AddPartitionsToTxn v3; with client_version 2, as Produce v12 does it. The code."""
        return self.ask(
            lambda: self.coordinator.add(
                name, pid, epoch, partitions, client_version=client_version, now=self.now
            )
        ).code

    def verify(self, pid: int, epoch: int, partition: TopicPartition = A, *, name: str = ID) -> int:
        """AddPartitionsToTxn with verify_only: the partition's code, or that of all."""
        answer = self.ask(lambda: self.coordinator.verify(name, pid, epoch, [partition]))
        return answer.code or answer.by_partition[partition]

    def end(self, pid: int, epoch: int, *, commit: bool, name: str = ID) -> int:
        """EndTxn v4: the code."""
        return self.ask(
            lambda: end(self.coordinator, name, pid, epoch, is_commit=commit, now=self.now)
        ).code

    def end5(self, pid: int, epoch: int, *, commit: bool, name: str = ID) -> Told:
        """EndTxn v5: (code, producer id, epoch)."""
        return told(
            self.ask(
                lambda: end_bumping(
                    self.coordinator, name, pid, epoch, is_commit=commit, now=self.now
                )
            )
        )

    def time_out(self) -> list[str]:
        """The sweep, and all that follows; whom it hit."""
        ended = [
            each.transactional_id
            for each in self.coordinator.time_out([*self.state.transactions], self.now)
        ]
        for name in ended:
            self.finish(name)
        return ended

    def at_epoch(self, epoch: int, *, name: str = ID, timeout_ms: int = 60_000) -> int:
        """A new id that has been initialised so often; its producer id."""
        _, pid, _ = self.init(name=name, timeout_ms=timeout_ms)
        found = self.state.transactions[name]
        bumped = Transaction(
            producer_id=pid,
            producer_epoch=epoch,
            timeout_ms=timeout_ms,
            state=found.state,
            last_update_ms=found.last_update_ms,
            previous_producer_id=pid,
            used_at_ms=self.now.running_ms,
        )
        self.write([Change(name, bumped)])
        return pid

    def standing(self, name: str = ID) -> str:
        """What DescribeTransactions calls the state in the log."""
        return self.state.state_of(name).kafka_name

    def epoch(self, name: str = ID) -> int:
        """The present epoch."""
        return self.state.transactions[name].producer_epoch

    def last_marker(self) -> tuple[str, int, int]:
        """Kind, producer id and epoch of the last marker."""
        _, marker = self.markers[-1]
        kind = "COMMIT" if marker.is_commit else "ABORT"
        return kind, marker.producer_id, marker.producer_epoch


def told(answer: Answer) -> Told:
    """What a client sees of it."""
    return int(answer.code), answer.producer_id, answer.producer_epoch
