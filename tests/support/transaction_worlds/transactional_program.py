"""A transactional producer as a program: it claims its id, runs transactions, is fenced, haunts.

It retries until it is told, writes down what it does in a TransactionHistory, and knows the rules
of clients, not the broker's code: sequences by (producer id, epoch), a new epoch after a batch of
unknown outcome (KIP-360), another one with each ending of a new client (KIP-890). When it is fenced
it goes on all the same, as a zombie: none of that may succeed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, TypeAlias

from minibroker.protocol.batch.header import TRANSACTIONAL_BIT
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from minibroker.testing import Acknowledged, Failed, Fate, TransactionHistory

from tests.support.transaction_worlds.transaction_readers import TOPIC, produce
from tests.support.transaction_worlds.transactional_words import (
    ABORT,
    ABORTABLE,
    BAD_STATE,
    COMMIT,
    FENCED,
    LATER,
    NONE,
    OUT_OF_ORDER,
    REST_MS_MAX,
    Batch,
    Run,
    Then,
    Versions,
)
from tests.support.worlds.machine import START_MS
from tests.support.worlds.programs import Asked, Pause, Program, Surroundings

Doing: TypeAlias = Generator[Pause | Asked, Any, Then]


class TransactionalProgram(Program):
    """One instance of an application.

    Args:
        offsets: of which the next one is committed; each is used once.
        count: transactions to run.
        rest_share: of the rounds are followed by a rest, which may be longer than the timeout.

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
        versions: Versions,
        partitions: int,
        offsets: Iterator[int],
        timeout_ms: int,
        count: int,
        topic: str = TOPIC,
        rest_share: float = 0.08,
    ) -> None:
        super().__init__(where, name)
        self.history = history
        self.committed = 0
        self.transactional_id = transactional_id
        self._versions = versions
        self._partitions = partitions
        self._offsets = offsets
        self._timeout_ms = timeout_ms
        self._left_count = count
        self._topic = topic
        self._rest_share = rest_share
        self._incarnation = ""
        self._claims = self._runs = self._values = 0
        self._producer_id = self._epoch = -1
        self._sequences: dict[int, int] = {}
        self._known: set[int] = set()  # partitions that have stored a batch of this producer id

    @property
    def group(self) -> str:
        """Whose offsets it commits."""
        return f"group of {self.transactional_id}"

    def program(self) -> Generator[Pause | Asked, Any, None]:
        then = yield from self._claim(None)
        while then is Then.GO_ON and self._left_count:
            self._left_count -= 1
            then = yield from self._transaction()
            yield Pause(self.random.choice((0.0, 1.0, 20.0)))
        if then is Then.BEATEN:
            self.where.note(f"{self._incarnation} is fenced")
            self.history.fenced(self._incarnation)
            yield from self._haunt()

    def _claim(self, after: str | None) -> Doing:
        """InitProducerId, until it is answered; naming its id and epoch, or none."""
        name = self._next_name(after)
        known = (self._producer_id, self._epoch) if after is not None else (-1, -1)
        message = InitProducerIdRequest(
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self._timeout_ms,
            producer_id=known[0],
            producer_epoch=known[1],
        )
        while True:
            (answer,) = yield Asked([(message, self._versions.init)])
            code = self._code(answer, "InitProducerId")
            if code == NONE:
                self._incarnation = name
                self._take_identity(answer)
                return Then.GO_ON
            if code is not None and code not in LATER:
                if after is None or code not in FENCED:
                    self.wrong.append(f"{name}: InitProducerId was answered {code}")
                self.history.refused(name)
                return Then.BEATEN
            yield self.again()
            if code is None and after is None:
                # The one that was lost may still arrive, and fence who is granted the next one.
                name = self._next_name(None)

    def _next_name(self, after: str | None) -> str:
        name = f"{self.name}.{self._claims}"
        self._claims += 1
        self.history.claim(name, self.transactional_id, after)
        return name

    def _take_identity(self, answer: Any) -> None:
        if answer.producer_id != self._producer_id:
            self._known.clear()
        self._producer_id, self._epoch = answer.producer_id, answer.producer_epoch
        self._sequences.clear()
        self.history.granted(self._incarnation, self._producer_id, self._epoch)
        self.where.note(f"{self._incarnation} has {self._producer_id}, epoch {self._epoch}")

    def _transaction(self) -> Doing:
        run = self._begin()
        then = yield from self._fill(run)
        if then is Then.BEATEN:
            return (yield from self._beaten(run))
        fate = COMMIT if then is Then.GO_ON and self.random.random() < 0.7 else ABORT
        if not run.added:
            return Then.GO_ON  # nothing was begun at the broker
        return (yield from self._end(run, fate))

    def _begin(self) -> Run:
        where = self.where
        name = f"{self._incarnation}/{self._runs}"
        run = Run(name, where.now_ms, where.wall_ms, where.starts)
        self._runs += 1
        self.history.begin(run.name, self._incarnation)
        run.is_pipelined = self.random.random() < 0.3
        return run

    def _fill(self, run: Run) -> Doing:
        """Some rounds of batches, and perhaps an offset, and perhaps too long a rest."""
        rounds = self.random.choice((1, 1, 2, 4))
        for number in range(rounds):
            partitions = self.random.sample(
                range(self._partitions), self.random.randint(1, self._partitions)
            )
            then = yield from self._add(run, set(partitions) - run.added)
            if then is not Then.GO_ON:
                return then
            batches = [self._batch(run, each) for each in partitions]
            again = self.random.choice(partitions)
            if again in self._known and self.random.random() < 0.3:
                batches.append(self._batch(run, again))
            if run.is_pipelined and number == rounds - 1:
                return Then.GO_ON  # they are sent with the ending
            then = yield from self._deliver(run, batches)
            if then is Then.GO_ON and self.random.random() < 0.4:
                then = yield from self._commit_offset(run)
            if then is not Then.GO_ON:
                return then
            if self.random.random() < self._rest_share:
                rest_ms = self._timeout_ms * self.random.choice((0.5, 1.5))
                yield Pause(min(rest_ms, REST_MS_MAX))
        return Then.GO_ON

    def _batch(self, run: Run, partition: int) -> Batch:
        values = []
        for _ in range(self.random.choice((1, 1, 3))):
            text = f"{self._incarnation} {self._values} "
            values.append(text.encode() + b"." * self.random.choice((0, 60)))
            self._values += 1
            self.history.send(run.name, partition, values[-1])
        first = self._sequences.get(partition, 0)
        self._sequences[partition] = first + len(values)
        wire = build_batch(
            [(None, value, (), START_MS) for value in values],
            attributes=TRANSACTIONAL_BIT,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            base_sequence=first,
        )
        batch = Batch(partition, tuple(values), wire)
        run.batches.append(batch)
        return batch

    def _add(self, run: Run, partitions: set[int]) -> Doing:
        """Old clients say first where they will write."""
        run.added |= partitions
        if self._versions.add is None or not partitions:
            return Then.GO_ON
        topic = AddPartitionsToTxnTopic(name=self._topic, partitions=sorted(partitions))
        message = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self._producer_id,
            v3_and_below_producer_epoch=self._epoch,
            v3_and_below_topics=[topic],
        )
        while True:
            (answer,) = yield Asked([(message, self._versions.add)])
            codes = [
                part.partition_error_code
                for each in (answer.results_by_topic_v3_and_below if answer is not None else ())
                for part in each.results_by_partition
            ]
            then = self._then(codes[0] if codes else None, "AddPartitionsToTxn")
            if then is not None:
                return then
            yield self.again()

    def _deliver(self, run: Run, batches: list[Batch]) -> Doing:
        """Send batches, each until there is a yes, or a no for good."""
        while batches:
            answers = yield Asked([self._produce(each) for each in batches])
            failed: set[int] = set()
            for batch, answer in zip(batches, answers, strict=True):
                code = self._take_answer(batch, answer)
                if code == OUT_OF_ORDER and batch.partition in failed:
                    continue  # the one before it was refused
                if code != NONE:
                    failed.add(batch.partition)
                then = self._then(code, "Produce")
                if then in (Then.MUST_ABORT, Then.BEATEN):
                    return then
            batches = [each for each in batches if not each.is_acknowledged]
            if batches:
                yield self.again()
        return Then.GO_ON

    def _produce(self, batch: Batch) -> tuple[Any, int]:
        message = produce(self.transactional_id, [(batch.partition, batch.wire)], topic=self._topic)
        return message, self._versions.produce

    def _take_answer(self, batch: Batch, answer: Any) -> int | None:
        """Note what came back for a batch; its code, None for no answer."""
        if answer is None:
            return None
        (part,) = answer.responses[0].partition_responses
        if part.error_code == NONE and not batch.is_acknowledged:
            batch.is_acknowledged = True
            self._known.add(batch.partition)
            for number, value in enumerate(batch.values):
                at = part.base_offset + number if part.base_offset >= 0 else -1
                self.history.answered(value, Acknowledged(at))
        return int(part.error_code)

    def _commit_offset(self, run: Run) -> Doing:
        """One offset of the group, in the transaction."""
        if self._versions.add is not None:
            message = AddOffsetsToTxnRequest(
                transactional_id=self.transactional_id,
                producer_id=self._producer_id,
                producer_epoch=self._epoch,
                group_id=self.group,
            )
            then = yield from self._until_told(message, self._versions.add_offsets)
            if then is not Then.GO_ON:
                return then
        run.added.add(-1)
        offset = next(self._offsets)
        self.history.send_offset(run.name, self.group, 0, offset)
        while True:
            (answer,) = yield Asked([(self._offset_commit(offset), self._versions.offsets)])
            code = None if answer is None else answer.topics[0].partitions[0].error_code
            then_now = self._then(code, "TxnOffsetCommit")
            if then_now is Then.GO_ON:
                self.history.offset_accepted(run.name, self.group, 0, offset)
            if then_now is not None:
                return then_now
            yield self.again()

    def _offset_commit(self, offset: int) -> TxnOffsetCommitRequest:
        part = TxnOffsetCommitRequestPartition(
            partition_index=0, committed_offset=offset, committed_metadata=""
        )
        return TxnOffsetCommitRequest(
            transactional_id=self.transactional_id,
            group_id=self.group,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            topics=[TxnOffsetCommitRequestTopic(name=self._topic, partitions=[part])],
        )

    def _until_told(self, message: Any, version: int) -> Doing:
        """Ask something that has one error code."""
        while True:
            (answer,) = yield Asked([(message, version)])
            then = self._then(self._code(answer, type(message).__name__), type(message).__name__)
            if then is not None:
                return then
            yield self.again()

    def _end(self, run: Run, fate: Fate) -> Doing:
        """EndTxn, until it is answered; what is pipelined goes with it each time."""
        self.history.ask(run.name, fate)
        message = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            committed=fate is COMMIT,
        )
        while True:
            batches = run.open if run.is_pipelined else []
            requests = [self._produce(each) for each in batches]
            *stored, answer = yield Asked([*requests, (message, self._versions.end)])
            for batch, each in zip(batches, stored, strict=True):
                code = self._take_answer(batch, each)
                batch.is_refused |= code not in (None, NONE, *self._versions.too_late)
            code = self._code(answer, "EndTxn")
            if code == NONE:
                return (yield from self._ended(run, fate, answer))
            if code == BAD_STATE and fate is COMMIT and self._versions.bumps:
                return (yield from self._is_aborted(run))
            then = self._then(code, "EndTxn")
            if then is Then.MUST_ABORT:
                self.wrong.append(f"{run.name}: EndTxn was answered {code}")
            if then is not None:
                return (yield from self._beaten(run))
            yield self.again()

    def _is_aborted(self, run: Run) -> Doing:
        """A commit was refused because of the state: by time, by a successor, or for nothing begun.

        The last is so where every batch that came with EndTxn was refused.
        """
        is_begun = len(run.open) < len(run.batches)
        if is_begun:
            self._is_overdue(run)
            self.history.tell(run.name, ABORT)
        self._give_up(run)
        return (yield from self._claim(self._incarnation))

    def _ended(self, run: Run, fate: Fate, answer: Any) -> Doing:
        self.history.tell(run.name, fate)
        self.where.note(f"{run.name} is {fate.value}")
        self.committed += fate is COMMIT
        is_whole = not run.open
        for batch in run.open:
            # All that came before EndTxn on its connection is in the transaction, unless it was
            # refused: 1. batch, EndTxn, decided  2. answers lost  3. again: the batch is too late.
            for value in batch.values:
                if batch.is_refused:
                    self.history.dropped(value)
                else:
                    is_in = run.is_pipelined and fate is COMMIT
                    self.history.answered(value, Acknowledged(-1) if is_in else Failed(True))
        if self._versions.bumps:
            self._take_identity(answer)
            return Then.GO_ON
        if is_whole:
            return Then.GO_ON
        return (yield from self._claim(self._incarnation))  # for its sequences are not known

    def _beaten(self, run: Run) -> Doing:
        """The epoch is over, by a successor or by time; in the latter case one may go on."""
        self._give_up(run)
        if self._is_overdue(run):
            return (yield from self._claim(self._incarnation))
        return Then.BEATEN

    def _give_up(self, run: Run) -> None:
        for batch in run.open:
            for value in batch.values:
                self.history.answered(value, Failed(True))

    def _is_overdue(self, run: Run) -> bool:
        """Whether its timeout may have passed: by the wall clock only over a stop of the broker."""
        open_ms = self.where.now_ms - run.begun_ms
        if self.where.starts > run.begun_starts:
            open_ms = max(open_ms, self.where.wall_ms - run.begun_wall_ms)
        is_overdue = open_ms >= self._timeout_ms - 1
        if is_overdue:
            self.history.overdue(run.name)
        return is_overdue

    def _haunt(self) -> Generator[Pause | Asked, Any, None]:
        """What a zombie does. Whatever of it succeeds, the judge finds."""
        run = self._begin()
        batch = self._batch(run, self.random.randrange(self._partitions))
        offset = next(self._offsets)
        self.history.send_offset(run.name, self.group, 0, offset)
        self.history.ask(run.name, COMMIT)
        end = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self._producer_id,
            producer_epoch=self._epoch,
            committed=True,
        )
        stored, committed, ended = yield Asked(
            [
                self._produce(batch),
                (self._offset_commit(offset), self._versions.offsets),
                (end, self._versions.end),
            ]
        )
        self._take_answer(batch, stored)
        if committed is not None and committed.topics[0].partitions[0].error_code == NONE:
            self.history.offset_accepted(run.name, self.group, 0, offset)
        if ended is not None and ended.error_code == NONE:
            self.history.tell(run.name, COMMIT)
        for value in batch.values if not batch.is_acknowledged else ():
            self.history.answered(value, Failed(True))
        yield Pause(self.random.choice((0.0, 30.0)))
        yield from self._claim(self._incarnation)

    def _code(self, answer: Any, what: str) -> int | None:
        if answer is None:
            return None
        code = int(answer.error_code)
        if code:
            self.where.note(f"{self._incarnation}: {what} was answered {code}")
        return code

    def _then(self, code: int | None, what: str) -> Then | None:
        """What a code means; None: ask again."""
        if code == NONE:
            return Then.GO_ON
        if code in FENCED:
            return Then.BEATEN
        if code is None or code in LATER:
            return None
        if code not in ABORTABLE:
            self.wrong.append(f"{self._incarnation}: {what} was answered {code}")
        return Then.MUST_ABORT
