"""EDGE: the sandbox of a lesson: a broker and a producer of its own, as processes, to be hurt.

It makes the moves of moves.py for real, and says what the broker itself noted of each: its verdicts
(ExplainProduce), what became of its answers (the history of a broker with faults), its table
(DescribeProducerWindows) and its log, read back. It is never the broker that the console watches.
Read next: telling.py.
Tests: tests/system/console/test_lesson.py
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ...client.administer.asking import check
from ...client.cluster.connection import Connection
from ...protocol.messages.describe_producer_windows import DescribeProducerWindowsRequest
from ...protocol.messages.explain_produce import ExplainProduceRequest, ProduceVerdict
from ...testing.child_broker import ChildBroker
from .moves import MODES, Mode, Move, Situation, after, refusal
from .producers.process import ProducerProcess
from .telling import Attempt, Fate, Record, Row, Shown, claims, told
from .threads import in_thread

if TYPE_CHECKING:
    from ...testing.remote_faults import RemoteFault

PATIENCE_S = 900  # of the producer: for a broker that is away, or an answer that is held
MOVE_TIMEOUT_S = 120.0
LOOKING = "lesson-looking"  # the client id of what is not to be seen
TRANSACTIONAL_ID = "lesson"
SETTINGS = {"transaction.max.timeout.ms": PATIENCE_S * 1000}
ASKED = frozenset(
    ("InitProducerId", "DescribeProducers", "AddPartitionsToTxn", "EndTxn", "ListTransactions")
)


class Exchange(Protocol):
    """A request that a broker has noted, and what became of it."""

    api: str
    client_id: str
    about: str
    outcome: str


class MoveRefused(Exception):
    """It cannot be made now; the text says why."""


class Sandbox:
    """A broker and a producer; start() first, and close() in the end, whatever happens.

    Raises, from each: ProducerFailed, ChildBrokerError, NurseryFailed, TimeoutError: a process did
    not do what it was told. The sandbox is to be closed then.
    """

    def __init__(self) -> None:
        self._made_broker: ChildBroker | None = None
        self._producer: ProducerProcess | None = None
        self._answer: asyncio.Task[int] | None = None  # to what the producer has been told to send
        self._sessions: list[str] = []
        self._armed: RemoteFault | None = None
        self._lock = asyncio.Lock()
        self._topics = 0
        self._situation = Situation()
        self._begin_anew()

    @property
    def _broker(self) -> ChildBroker:
        assert self._made_broker is not None, "start() comes first"
        return self._made_broker

    @property
    def topic(self) -> str:
        """The one of this lesson; another after each START_OVER."""
        return f"lesson-{self._topics}"

    def _begin_anew(self) -> None:
        self._topics += 1
        self._noted: list[ProduceVerdict] = []
        self._noted_up_to = -1
        self._told = 0  # exchanges that earlier moves were told with
        self._log: Sequence[Record] = ()
        self._table: Sequence[Row] = ()
        self._attempts: Sequence[Attempt] = ()

    async def start(self) -> Shown:
        """Start both; the picture of nothing yet."""
        async with asyncio.timeout(MOVE_TIMEOUT_S), self._lock:
            self._made_broker = await in_thread(
                partial(ChildBroker, settings=SETTINGS), undo=ChildBroker.close
            )
            await in_thread(self._broker.start)
            await self._begin_topic()
            return await self._shown(None, self._situation)

    async def close(self) -> None:
        """End both, and remove what they have written."""
        if self._answer is not None:
            self._answer.cancel()
            await asyncio.gather(self._answer, return_exceptions=True)  # what it says has no use
        if self._producer is not None:
            await self._producer.kill()
        if self._made_broker is not None:
            await in_thread(self._made_broker.close)
        for directory in self._sessions:
            await in_thread(partial(shutil.rmtree, directory, ignore_errors=True))

    async def make(self, move: Move) -> Shown:
        """Make a move, and say what has come of it. Raises MoveRefused; nothing has changed."""
        async with asyncio.timeout(MOVE_TIMEOUT_S), self._lock:
            before = self._situation
            if why := refusal(before, move):
                raise MoveRefused(why)
            if move is Move.KILL_BROKER:
                await self._look()  # what it knows only while it lives
            self._situation = after(before, move)
            await self._made(move, before)
            return await self._shown(move, before)

    async def _made(self, move: Move, before: Situation) -> None:
        match move:
            case Move.SEND:
                await self._send(before)
            case Move.LOSE_ACK:
                await self._arm("lose")
            case Move.HOLD_ACK:
                await self._arm("hold")
            case Move.RELEASE_ACK:
                await self._disarm()
                await self._answered()
            case Move.KILL_BROKER:
                await in_thread(self._broker.kill)
            case Move.START_BROKER:
                await self._start_broker()
            case Move.RESTART_PRODUCER:
                await self._start_producer(before)
                if self._is_sent_again(before):
                    assert before.pending is not None
                    await self._tell(before.pending.value)
            case Move.COMMIT:
                assert self._producer is not None
                await self._producer.commit()
            case Move.ABORT:
                assert self._producer is not None
                await self._producer.abort()
            case Move.START_OVER:
                await self._disarm()
                if not self._broker.is_running:
                    await self._start_broker()
                self._begin_anew()
                await self._begin_topic()
            case _:
                assert move in MODES
                await self._start_producer(before)

    @staticmethod
    def _is_sent_again(before: Situation) -> bool:
        """Whether the program has to send what it had no answer to, as its successor."""
        return before.pending is not None and before.mode in (Mode.PLAIN, Mode.IDEMPOTENT)

    async def _begin_topic(self) -> None:
        await in_thread(partial(self._broker.create_topic, self.topic))
        await self._start_producer(Situation(), is_new=True)

    async def _start_broker(self) -> None:
        await in_thread(self._broker.start)
        self._noted_up_to = -1
        if self._answer is not None:
            await self._answered()

    async def _start_producer(self, before: Situation, *, is_new: bool = False) -> None:
        """Kill the producer there is, and start one as the situation has it."""
        if self._answer is not None:
            self._answer.cancel()
            with suppress(asyncio.CancelledError):
                await self._answer
            self._answer = None
        if self._producer is not None:
            await self._producer.kill()
            self._producer = None
        if not before.trouble:
            await self._disarm()  # an answer that was held for the one that is gone
        mode = self._situation.mode
        if mode is Mode.SESSION and (is_new or not self._sessions):
            self._sessions.append(await in_thread(partial(tempfile.mkdtemp, prefix="minibroker-")))
        self._producer = await ProducerProcess.started(
            "ours",
            self._broker.bootstrap_servers,
            idempotent=mode is not Mode.PLAIN,
            transactional_id=TRANSACTIONAL_ID if mode is Mode.TRANSACTIONS else None,
            session=self._sessions[-1] if mode is Mode.SESSION else None,
            patience_s=PATIENCE_S,
            is_forked=True,
        )

    async def _send(self, before: Situation) -> None:
        assert self._producer is not None
        if self._situation.mode is Mode.TRANSACTIONS and not before.has_open_transaction:
            await self._producer.begin()
        await self._tell(before.next_value)

    async def _tell(self, value: str) -> None:
        """Tell the producer to send, and wait as far as there is something to come."""
        assert self._producer is not None
        self._producer.start_sending(self.topic, value)
        self._answer = asyncio.create_task(self._producer.acknowledged())
        if self._broker.is_running:
            await self._answered()

    async def _answered(self) -> None:
        """Return when the answer is there, or held."""
        assert self._answer is not None
        if self._situation.pending is None:
            await self._answer
            self._answer = None
        else:
            assert self._armed is not None
            await self._armed.reached()

    async def _arm(self, trouble: str) -> None:
        await self._disarm()
        faults = self._broker.faults
        if trouble == "lose":
            arm = partial(faults.lose_reply, "Produce", topic=self.topic)
        else:
            arm = partial(faults.hold, "Produce", at="reply", topic=self.topic)
        self._armed = await in_thread(arm)

    async def _disarm(self) -> None:
        if self._armed is not None:
            await in_thread(self._armed.release)
            self._armed = None

    async def _look(self) -> None:
        """What the broker has noted since it was asked last; what is held needs no new look."""
        if not self._broker.is_running:
            return
        connection = await Connection.open("127.0.0.1", self._broker.port, client_id=LOOKING)
        try:
            wanted = ExplainProduceRequest(topic=self.topic, after_number=self._noted_up_to)
            found = sorted(
                (await connection.request(wanted)).verdicts, key=lambda each: each.number
            )
            table = await connection.request(DescribeProducerWindowsRequest(topic=self.topic))
            check(table.error_code, "the table of the sandbox's broker", table.error_message)
        finally:
            await connection.close()
        self._noted += found
        self._noted_up_to = max([self._noted_up_to, *(each.number for each in found)])
        self._log = await in_thread(partial(self._broker.records, self.topic))
        self._table = [
            Row(
                each.producer_id,
                each.producer_epoch,
                tuple((batch.first_sequence, batch.base_offset) for batch in each.batches),
            )
            for each in sorted(table.producers, key=lambda each: each.producer_id)
        ]

    async def _shown(self, move: Move | None, before: Situation) -> Shown:
        await self._look()
        exchanges = await in_thread(self._exchanges)
        produced = [each for each in exchanges if each.api == "Produce"]
        attempts = self._attempts_of(produced)
        seen, self._told = self._told, len(exchanges)
        new = sum(each.api == "Produce" for each in exchanges[seen:])
        if new:
            shown = attempts[len(attempts) - new :]
        else:  # the last ones stay in sight, with what has become of their answers
            shown = attempts[len(attempts) - len(self._attempts) :] if self._attempts else []
        self._attempts = shown
        return Shown(
            self._situation,
            move,
            shown,
            [each.api for each in exchanges[seen:] if each.api != "Produce"],
            self._log,
            self._table,
            told(move, before, self._situation, shown if new else ()),
            claims(self._situation, self._log, self._table),
        )

    def _exchanges(self) -> Sequence[Exchange]:
        """All that the producers of this topic have asked, as far as it is to be seen."""
        return [
            each
            for each in self._broker.history()
            if each.client_id != LOOKING
            and (
                each.api in ASKED
                or (each.api == "Produce" and each.about.startswith(f"{self.topic}-"))
            )
        ]

    def _attempts_of(self, produced: Sequence[Exchange]) -> list[Attempt]:
        values = {record.offset: (record.value or b"").decode() for record in self._log}
        pending = self._situation.pending
        return [
            Attempt(
                value=values.get(verdict.base_offset, pending.value if pending else "?"),
                producer_id=verdict.producer_id,
                epoch=verdict.producer_epoch,
                sequence=verdict.first_sequence,
                verdict=verdict.verdict,
                base_offset=verdict.base_offset,
                reason=verdict.reason,
                fate=_fate(exchange.outcome, is_held=pending is not None and pending.is_held),
            )
            for verdict, exchange in zip(self._noted, produced, strict=True)
        ]


def _fate(outcome: str, *, is_held: bool) -> Fate:
    if outcome.startswith("answered"):
        return Fate.DELIVERED
    if outcome == "answer lost":
        return Fate.LOST
    return Fate.HELD if outcome == "open" and is_held else Fate.UNHEARD
