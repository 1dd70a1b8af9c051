"""Our transactional producer as a program: sender, lanes and transactional.py in a world.

What is due is asked at once on one connection; answers that are lost are lost for the sender, too.
The application sends, commits, aborts, rests longer than its timeout, dies and starts again under
its id. All of it is written down in a TransactionHistory, under the names of the judge.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, TypeAlias

from minibroker.client.config import ProducerConfig
from minibroker.client.errors import ClientError, Fenced
from minibroker.client.partitions import GroupOffsets, OffsetAndMetadata, TopicPartition
from minibroker.client.produce.accumulator import Accumulator
from minibroker.client.produce.batch import ProducerBatch, record_bytes_max
from minibroker.client.produce.pump import NOT_MENTIONED, answers_in, produce_request
from minibroker.client.produce.receipts import outcome_at
from minibroker.client.produce.sender import ProduceCall, Sender
from minibroker.client.produce.transaction_requests import answer_in, request_of
from minibroker.client.produce.transactional import (
    AddOffsets,
    AddPartitions,
    CommitOffsets,
    End,
    Initialise,
    Look,
    Phase,
    Question,
    Transactional,
)
from minibroker.protocol.errors import ErrorCode
from minibroker.testing import Acknowledged, Failed, Fate, TransactionHistory

from tests.support.transaction_worlds.transaction_readers import TOPIC
from tests.support.worlds.machine import START_MS
from tests.support.worlds.programs import Asked, Pause, Program, Surroundings

Doing: TypeAlias = Generator[Pause | Asked, Any, None]
BUMPING_LEVEL = 2
REST_MS_MAX = 2_000.0
IN_FLIGHT_MAX = 5
OLD: dict[type, int] = {
    Initialise: 4,
    AddPartitions: 3,
    AddOffsets: 3,
    CommitOffsets: 4,
    End: 4,
    Look: 0,
}
FAULTS = frozenset(
    {
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.INVALID_TXN_STATE,
        ErrorCode.TRANSACTION_ABORTABLE,
    }
)
NEW: dict[type, int] = {**OLD, CommitOffsets: 5, End: 5}


class OurTransactions(Program):
    """One instance of an application.

    Args:
        level: the finalized transaction.version, which decides how it speaks.
        offsets: of which the next one is committed; each is used once.
        count: transactions to run.

    Attributes:
        committed: transactions that it was told are.
    """

    def __init__(
        self,
        where: Surroundings,
        history: TransactionHistory,
        name: str,
        *,
        transactional_id: str,
        level: int,
        partitions: int,
        offsets: Iterator[int],
        timeout_ms: int,
        count: int,
    ) -> None:
        super().__init__(where, name)
        self.history = history
        self.transactional_id = transactional_id
        self.committed = 0
        self._level = level
        self._partitions = partitions
        self._offsets = offsets
        self._left_count = count
        self._config = ProducerConfig(
            bootstrap_servers=(("sim", 1),),
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            linger_ms=0,
            batch_size=100,
            delivery_timeout_ms=self.random.choice((80, 60_000)),
            retry_backoff_ms=5,
            retry_backoff_max_ms=50,
        )
        self._claims = self._runs = self._values = 0
        self._incarnation = self._claiming = ""
        self._run = ""
        self._begun = (0.0, 0.0, 0)
        self._sent: list[tuple[bytes, ProducerBatch, int]] = []
        self._offset: int | None = None
        self._troubled: set[int] = set()  # partitions that gave no answer, or an error

    @property
    def group(self) -> str:
        """Whose offsets it commits."""
        return f"group of {self.transactional_id}"

    def program(self) -> Doing:
        while self._left_count:
            self._start()
            yield from self._until(Phase.READY)
            while self._left_count and self._core.phase is not Phase.FATAL:
                self._left_count -= 1
                yield from self._transaction()
                if self.random.random() < 0.1:
                    break  # the process dies; the next one starts under its id
                yield Pause(self.random.choice((0.0, 1.0, 20.0)))
            self._note_records()
            if isinstance(self._core.error, Fenced) and not self._note_overdue():
                self.history.fenced(self._incarnation)
                if self.random.random() < 0.5:
                    return

    def _start(self) -> None:
        self._accumulator = Accumulator(self._config)
        self._sender = Sender(self._config, self._accumulator, self.random)
        core = self._sender.transactional
        assert core is not None
        self._core: Transactional = core
        core.learn(self._level >= BUMPING_LEVEL)
        self._incarnation = self._claiming = ""

    def _transaction(self) -> Doing:
        """Some sends, perhaps an offset; then a commit, an abort, or a death."""
        core, where, random = self._core, self.where, self.random
        core.begin()
        self._run = f"{self._incarnation}/{self._runs}"
        self._runs += 1
        self._begun = (where.now_ms, where.wall_ms, where.starts)
        self._sent, self._offset, self._troubled = [], None, set()
        self.history.begin(self._run, self._incarnation)
        for _ in range(random.choice((0, 1, 1, 2, 4))):
            if core.phase is not Phase.OPEN:
                break
            for _ in range(random.choice((1, 3, 8))):
                self._send()
            if random.random() < 0.3:
                self._commit_offset()
            yield from self._step()
            if random.random() < 0.05:
                timeout_ms = self._config.transaction_timeout_ms
                yield Pause(min(timeout_ms * random.choice((0.5, 1.5)), REST_MS_MAX))
        if random.random() < 0.05:
            self._left_open()
            return
        yield from self._end(is_commit=random.random() < 0.7)

    def _send(self) -> None:
        partition = self.random.randrange(self._partitions)
        value = f"{self._incarnation} {self._values} ".encode() + b"." * self.random.choice((0, 60))
        self._values += 1
        size = record_bytes_max(None, value, b"")
        self.history.send(self._run, partition, value)
        place, now_ms = (TOPIC, partition), self.where.now_ms
        batch = self._accumulator.append(
            place, None, value, b"", START_MS, size_bytes=size, now_ms=now_ms
        )
        self._sent.append((value, batch, batch.count - 1))

    def _commit_offset(self) -> None:
        if self._core.offsets is not None:
            return
        self._offset = next(self._offsets)
        place = TopicPartition(TOPIC, 0)
        self._core.offsets = GroupOffsets(
            self.group, -1, "", None, {place: OffsetAndMetadata(self._offset)}
        )
        self.history.send_offset(self._run, self.group, 0, self._offset)

    def _end(self, *, is_commit: bool) -> Doing:
        """As Transacting does: deliver, commit; abort what is broken."""
        core = self._core
        if is_commit and self._is(Phase.OPEN):
            self._accumulator.begin_flush()
            while core.offsets is not None and self._is(Phase.OPEN):
                yield from self._step()
            if self._is(Phase.OPEN):
                core.close()
            while self._is(Phase.CLOSING) and self._sender.open_batches():
                yield from self._step()
            self._accumulator.end_flush()
            if self._is(Phase.CLOSING):
                self.history.ask(self._run, Fate.COMMITTED)
                core.commit()
            while self._is(Phase.COMMITTING):
                yield from self._step()
        if core.committed_number < core.number and not self._is(Phase.FATAL):
            self.history.ask(self._run, Fate.ABORTED)
            core.abort()
        yield from self._until(Phase.READY)
        if core.committed_number == core.number:
            self.committed += 1
            self._look_at_commit()
        if self._is(Phase.READY) and core.has_begun:
            is_committed = core.committed_number == core.number
            self.history.tell(self._run, Fate.COMMITTED if is_committed else Fate.ABORTED)
        self._note_records()

    def _is(self, phase: Phase) -> bool:
        """Looked at anew each time: every step may change it."""
        return self._core.phase is phase

    def _look_at_commit(self) -> None:
        """A commit is told only when all that belongs to it was confirmed."""
        for value, batch, index in self._sent:
            if batch.outcome is None or isinstance(outcome_at(batch, index), ClientError):
                self.wrong.append(f"{self._run} was committed without {value!r}")
        if self._offset is not None:
            self.wrong.append(f"{self._run} was committed before offset {self._offset} was taken")

    def _until(self, phase: Phase) -> Doing:
        while self._core.phase not in (phase, Phase.FATAL):
            yield from self._step()

    def _step(self) -> Doing:
        """Ask what is due, and take in what is answered."""
        sender, core, now_ms = self._sender, self._core, self.where.now_ms
        sender.expire(now_ms)
        calls = sender.drain(now_ms, lambda *_: 1, lambda _: IN_FLIGHT_MAX)
        sender.wants_metadata = False
        question = core.next_question(sender.on_wire_count)
        produce_version = 12 if core.bumps else 11
        requests = [(produce_request(each, self._config), produce_version) for each in calls]
        if question is not None:
            requests.append(self._request(question))
        if not requests:
            yield self.again()
            return
        answers = yield Asked(requests)
        for call, answer in zip(calls, answers, strict=False):
            self._take(call, answer)
        if question is not None:
            self._heard(question, answers[-1])
        if None in answers or core.in_doubt:
            core.in_doubt = ""
            yield self.again()

    def _request(self, question: Question) -> tuple[Any, int]:
        core = self._core
        if isinstance(question, Initialise) and not self._claiming:
            self._claiming = f"{self.name}.{self._claims}"
            self._claims += 1
            after = None if question.producer_id < 0 else self._incarnation
            self.history.claim(self._claiming, self.transactional_id, after)
        timeout_ms = self._config.transaction_timeout_ms
        version = (NEW if core.bumps else OLD)[type(question)]
        return request_of(question, self.transactional_id, timeout_ms, core), version

    def _take(self, call: ProduceCall, answer: Any) -> None:
        now_ms = self.where.now_ms
        if answer is None:
            self._troubled.update(batch.partition for batch in call.batches)
            self._sender.lost(call, now_ms, "lost")
            return
        told = answers_in(answer)
        for batch in call.batches:
            each = told.get((batch.topic, batch.partition), NOT_MENTIONED)
            self._look_at(batch, each.code)
            self._sender.answered(batch, each, now_ms)

    def _look_at(self, batch: ProducerBatch, code: ErrorCode) -> None:
        """What a producer that follows the rules is never told while nothing else went wrong."""
        if not code:
            return
        is_fault = code in FAULTS and batch.partition not in self._troubled
        if is_fault and not self._note_overdue():
            self.wrong.append(f"{self._run}: {batch.describe()}: {code.name}")
        self._troubled.add(batch.partition)

    def _heard(self, question: Question, answer: Any) -> None:
        core = self._core
        if answer is None:
            core.unanswered(question, "lost")
            if isinstance(question, Initialise) and question.producer_id < 0:
                # The one that was lost may still arrive, and fence who is granted the next one.
                self._claiming = ""
            return
        code, producer_id, epoch = answer_in(question, answer)
        core.answered(question, code, producer_id, epoch)
        if code:
            self.where.note(f"{self._run}: {type(question).__name__} was answered {code.name}")
        if isinstance(question, Initialise):
            self._granted(question)
        elif isinstance(question, CommitOffsets) and not code:
            assert self._offset is not None
            self.history.offset_accepted(self._run, self.group, 0, self._offset)
            self._offset = None
        elif isinstance(question, End) and not code:
            self.history.granted(self._incarnation, core.producer_id, core.producer_epoch)
        elif isinstance(question, End) and code:
            self._note_overdue()

    def _granted(self, question: Initialise) -> None:
        if self._core.phase is Phase.READY:
            self._incarnation, self._claiming = self._claiming, ""
            ids = (self._core.producer_id, self._core.producer_epoch)
            self.history.granted(self._incarnation, *ids)
        elif self._core.phase is Phase.FATAL:
            self.history.refused(self._claiming)
            if question.producer_id < 0:
                self.wrong.append(f"{self._claiming}: refused: {self._core.error}")

    def _note_records(self) -> None:
        """What became of each, as far as the application was told."""
        for value, batch, index in self._sent:
            told = None if batch.outcome is None else outcome_at(batch, index)
            if told is None or isinstance(told, ClientError):
                self.history.answered(value, Failed(possibly_persisted=True))
            else:
                self.history.answered(value, Acknowledged(told.offset))
        self._sent = []
        if self._run:
            self._note_overdue()

    def _left_open(self) -> None:
        """The process dies in the middle."""
        self._core.fail(ClientError("the process has died"))
        self._note_records()

    def _note_overdue(self) -> bool:
        """Whether its timeout may have passed: by the wall clock only over a stop of the broker."""
        begun_ms, begun_wall_ms, begun_starts = self._begun
        open_ms = self.where.now_ms - begun_ms
        if self.where.starts > begun_starts:
            open_ms = max(open_ms, self.where.wall_ms - begun_wall_ms)
        is_overdue = open_ms >= self._config.transaction_timeout_ms - 1
        if is_overdue and self._run:
            self.history.overdue(self._run)
        return is_overdue
