"""EDGE: the way of requests through a broker that was started with faults.

A Detour stands beside each connection. While no rule is armed it only notes each request in the
history. While some are, it takes over: one task takes requests in order, up to `appended`, another
gives answers in order, from `flushed` on. So what is held or late holds up what follows on the
same connection and nothing else, and no answer overtakes a lost one.
What rules mean stands in rules.py; those of storage are performed in storage.py.
Tests: tests/system/testing/test_faults.py
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from ...protocol.batch.header import HEADER_BYTES, read_header
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.connection import ProtocolError, Request, plain
from ...protocol.errors import DecodeError, ErrorCode
from ...protocol.messages.produce import PartitionProduceResponse, TopicProduceResponse
from ..broker import Broker
from ..cluster.topic_names import name_topics
from ..partitions.sequences import Append
from ..session import CloseConnection
from ..storage.port import FlushFailed
from ..waiting.long_work import Working
from ..waiting.promise import Promise
from ..world import Crashed
from .exchanges import Exchange, History, answered
from .rules import (
    AnswerError,
    ArmedRule,
    Crash,
    Delay,
    Disconnect,
    Faults,
    HandleTwice,
    Hold,
    Instant,
    LoseReply,
    TearReply,
    due,
)
from .scope import Part

logger = logging.getLogger("minibroker")
Told = Callable[[Any], Any]


class Detourable(Protocol):
    """A client's connection, as a detour needs it."""

    def handle(self, request: Request) -> tuple[Any, Told | None]:
        """The response message, a Promise of it, or None; and what makes of it what is told.

        Raises CloseConnection.
        """

    def refuse(self, request: Request, code: ErrorCode, why: str) -> Any:
        """The response message that refuses the whole request; raises CloseConnection."""

    def answer_later(self, request: Request, promise: Promise, told: Told | None = None) -> None:
        """Answer when the promise is kept, with what `told` makes of it."""

    def answer(self, request: Request, message: Any) -> None:
        """Answer soon, None for no answer; also after the end."""

    def tear(self, request: Request, message: Any, bytes_sent: int) -> None:
        """Send the first bytes of an answer, behind all earlier ones, and close."""

    def adopt(self, promise: Promise) -> None:
        """Abandon a promise if the connection ends first."""

    def release(self, promise: Promise) -> None:
        """A promise has been kept."""

    def hang_up(self, why: Exception) -> None:
        """Close the connection behind what is on its way out."""

    def give_up(self, why: Exception) -> None:
        """Something is broken that no connection can answer for."""


class FaultPath:
    """What all connections of a broker share.

    Args:
        die: performs a crash; if it returns, the crash was a simulated one.
    """

    def __init__(self, broker: Broker, faults: Faults, die: Callable[[ArmedRule], None]) -> None:
        self.broker = broker
        self.faults = faults
        self.history = History(broker.clock.now_ms)
        self._die = die
        self._connections = 0
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        faults.on_disarmed = self._note

    def detour(self, connection: Detourable) -> Detour:
        """For a connection that has been accepted."""
        self._connections += 1
        return Detour(self, connection, self._connections)

    async def until(self, condition: Callable[[], bool], timeout_ms: int) -> None:
        """Return once something holds that depends on rules or answers. Raises TimeoutError."""
        async with asyncio.timeout(timeout_ms / 1000):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def note(self) -> None:
        """Something has changed that somebody may wait for; from any thread."""
        self._loop.call_soon_threadsafe(self._changed.set)

    def die(self, armed: ArmedRule) -> None:
        """Crash. Raises Crashed, if this can still be said."""
        self._die(armed)
        raise Crashed

    async def act(self, armed: ArmedRule) -> None:
        """What needs no request: a delay, a barrier, a crash. Raises Crashed."""
        self.note()
        match armed.rule.action:
            case Delay(delay_ms):
                await asyncio.sleep(delay_ms / 1000)
            case Hold():
                await self.hold(armed)
            case Crash():
                self.die(armed)

    async def hold(self, armed: ArmedRule) -> None:
        """Wait at a rule until it is taken out."""
        armed.held += 1
        self._changed.set()
        try:
            while armed.is_armed:
                self._changed.clear()
                await self._changed.wait()
        finally:
            armed.held -= 1

    def _note(self, armed: ArmedRule) -> None:
        self._changed.set()


class _Open:
    """A request that has been handled and not yet answered.

    `message` is what the handler answers, `has_passed` comes true behind the instant `appended`.
    """

    __slots__ = ("appended", "exchange", "has_passed", "message", "request")

    def __init__(self, request: Request, exchange: Exchange, message: asyncio.Future[Any]) -> None:
        self.request = request
        self.exchange = exchange
        self.message = message
        self.has_passed = asyncio.Event()
        self.appended: list[Part] = []


class Detour:
    """The way of one connection's requests."""

    def __init__(self, path: FaultPath, connection: Detourable, number: int) -> None:
        self._path = path
        self._connection = connection
        self._number = number
        self._waiting: deque[tuple[Request, Exchange]] = deque()
        self._open: deque[_Open] = deque()
        self._taking: asyncio.Task[None] | None = None
        self._answering: asyncio.Task[None] | None = None
        self._is_silent = False
        self._loop = asyncio.get_running_loop()

    def accepted(self) -> None:
        """The client has connected; do what is due before its first request."""
        accept = Exchange(0, 0, self._number, "", "", 0)
        covering = [armed for armed in self._path.faults.rules if armed.rule.covers(accept)]
        if any(armed.rule.instant is Instant.ACCEPT for armed in covering):
            self._taking = self._loop.create_task(
                self._surviving(lambda: self._accept(accept, covering))
            )

    def serve(self, request: Request) -> None:
        """Serve a request, now or after those before it.

        Raises:
            CloseConnection: the protocol has no way to answer.
        """
        rules = self._path.faults.rules
        if request.route.api.name == "Produce" and request.route.version >= TOPIC_IDS_SINCE:
            name_topics(request.message.topic_data, self._path.broker.state.names_by_id)
        exchange = self._path.history.begin(request, self._number, rules)
        is_busy = self._is_silent or _is_running(self._taking) or _is_running(self._answering)
        if not rules and not is_busy:
            self._serve_at_once(request, exchange)
            return
        self._waiting.append((request, exchange))
        if not _is_running(self._taking):
            self._taking = self._loop.create_task(self._surviving(self._take_all))

    def close(self) -> None:
        """The connection has ended."""
        for task in (self._taking, self._answering):
            if task is not None:
                task.cancel()
        for _, exchange in self._waiting:
            exchange.close("connection closed")
        for opened in self._open:
            opened.exchange.close("connection closed")
        self._waiting.clear()
        self._open.clear()

    def _serve_at_once(self, request: Request, exchange: Exchange) -> None:
        try:
            outcome, told = self._connection.handle(request)
        except CloseConnection:
            exchange.close("connection closed")
            raise
        if isinstance(outcome, Promise) and outcome.is_kept:
            outcome = outcome.message
        if isinstance(outcome, Promise):
            outcome.on_kept = lambda message: self._note_answer(exchange, message)
            self._connection.answer_later(request, outcome, told)
        else:
            self._note_answer(exchange, outcome)
            self._connection.answer(request, outcome if told is None else told(outcome))

    def _note_answer(self, exchange: Exchange, message: Any) -> None:
        exchange.close(answered(message))
        self._path.note()

    async def _surviving(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work, and end the connection or the broker if it cannot be done."""
        try:
            # Called here, not where the task is made: one that is cancelled before its first step
            # would leave a coroutine that was never begun.
            await work()
        except (ProtocolError, DecodeError, CloseConnection) as error:
            self._connection.hang_up(error)
        except Crashed:
            return
        except (AssertionError, FlushFailed) as error:
            self._connection.give_up(error)
        except Exception as error:
            logger.exception("a detour failed")
            self._connection.hang_up(error)

    async def _accept(self, accept: Exchange, covering: list[ArmedRule]) -> None:
        for armed in due(Instant.ACCEPT, covering):
            await self._act(armed, accept)
        await self._take_all()

    async def _take_all(self) -> None:
        while self._waiting:
            await self._take(*self._waiting.popleft())

    async def _take(self, request: Request, exchange: Exchange) -> None:
        """Everything up to `appended`, for one request; those behind it wait in _take_all.

        1. `request`: a refusal leaves no trace, so it comes before anything else.
        2. `append`, asked for each partition before handle(), which writes all of them in one go: a
           crash "before the write" must find none written. What is refused is left out of the
           message, and put into the answer afterwards; its neighbours are stored.
        3. The log ends, then handle(), in one turn of the loop. Whether a partition was appended to
           shows in its end alone: a retry that was recognised answers like a batch that was stored,
           and a rule for `appended` must not fire for it.
        4. The answer is queued before any rule of `appended` holds this up: otherwise what the next
           request answers could overtake it.
        5. Only then the same request once more: as a retry that arrives while the first waits for
           its flush. Its answer is dropped, since the client has asked once.
        6. `appended`; then the answer may leave, by _answer, from `flushed` on.
        """
        times = 1
        for armed in due(Instant.REQUEST, exchange.covering()):
            match armed.rule.action:
                case AnswerError(code):
                    opened = self._promise(request, exchange)
                    opened.message.set_result(self._connection.refuse(request, code, _WHY))
                    opened.has_passed.set()
                    return
                case HandleTwice():
                    times = 2
                case _:
                    await self._act(armed, exchange)
        parts = [part for part in exchange.parts if part.batch is not None]
        refused = await self._before_append(exchange, parts)
        _leave_out(request.message, refused)
        before = [self._end_offset(part) for part in parts]
        outcome, told = self._connection.handle(request)
        if isinstance(outcome, Working):
            await self._until_worked(outcome)
        opened = self._promise(request, exchange)
        opened.appended = [
            part
            for part, end_offset in zip(parts, before, strict=True)
            if self._end_offset(part) != end_offset
        ]
        self._deliver(outcome, opened.message, partial(self._as_told, refused, told))
        if times == 2:
            _drop(self._connection.handle(request)[0])
        for part in opened.appended:
            for armed in due(Instant.APPENDED, exchange.covering_part(part)):
                await self._act(armed, exchange)
        opened.has_passed.set()

    async def _before_append(
        self, exchange: Exchange, parts: list[Part]
    ) -> dict[tuple[str, int], ErrorCode]:
        """Which partitions are refused instead of being written."""
        refused: dict[tuple[str, int], ErrorCode] = {}
        for part in parts:
            covering = exchange.covering_part(part)
            if not any(armed.rule.instant is Instant.APPEND for armed in covering):
                continue
            if not self._is_new(part):
                continue
            for armed in due(Instant.APPEND, covering):
                match armed.rule.action:
                    case AnswerError(code):
                        refused[part.topic, part.partition or 0] = code
                    case _:
                        await self._act(armed, exchange)
        return refused

    async def _until_worked(self, outcome: Working) -> None:
        """Wait until long work is done; what comes next on this connection is behind it."""
        if outcome.is_working:
            worked = self._loop.create_future()
            outcome.on_worked = lambda: worked.set_result(None)
            self._connection.adopt(outcome)
            await worked

    def _is_new(self, part: Part) -> bool:
        """Whether the batch would be appended, as far as its sequence says."""
        partition = self._path.broker.partition(part.topic, part.partition or 0)
        if partition is None or part.batch is None or len(part.batch) < HEADER_BYTES:
            return False
        header = read_header(part.batch)
        return header.producer_id < 0 or isinstance(partition.sequences.check(header), Append)

    def _end_offset(self, part: Part) -> int:
        partition = self._path.broker.partition(part.topic, part.partition or 0)
        return partition.log.log_end_offset if partition is not None else 0

    def _promise(self, request: Request, exchange: Exchange) -> _Open:
        opened = _Open(request, exchange, self._loop.create_future())
        self._open.append(opened)
        if not _is_running(self._answering):
            self._answering = self._loop.create_task(self._surviving(self._answer_all))
        return opened

    def _deliver(
        self,
        outcome: Any,
        message: asyncio.Future[Any],
        as_told: Told,
    ) -> None:
        """Let `message` become what is told of what the handler answers, now or later."""
        if not isinstance(outcome, Promise):
            message.set_result(as_told(outcome))
            return
        promise = outcome

        def deliver(kept: Any) -> None:
            self._connection.release(promise)
            if message.done():
                return
            try:
                message.set_result(as_told(kept))
            except Exception as error:  # noqa: BLE001  ends this connection, not our caller's round
                message.set_exception(error)

        self._connection.adopt(promise)
        promise.deliver_to(deliver)

    def _as_told(
        self, refused: dict[tuple[str, int], ErrorCode], told: Told | None, response: Any
    ) -> Any:
        answer = self._with_refused(response, refused)
        return answer if told is None else told(answer)

    def _with_refused(self, response: Any, refused: dict[tuple[str, int], ErrorCode]) -> Any:
        """A Produce response with what was refused added to it.

        Raises:
            CloseConnection: acks=0, where no other answer is possible.
        """
        if refused:
            response = plain(response)
        for (topic, index), code in refused.items():
            if response is None:
                raise CloseConnection(f"acks=0 and {code.name}: {_WHY}")
            answer = PartitionProduceResponse(
                index=index, error_code=code, base_offset=-1, error_message=_WHY
            )
            found = next((each for each in response.responses if each.name == topic), None)
            if found is None:
                known = self._path.broker.state.topics.get(topic)
                found = TopicProduceResponse(
                    name=topic,
                    topic_id=known.topic_id if known is not None else ZERO_UUID,
                    partition_responses=[],
                )
                response.responses.append(found)
            found.partition_responses.append(answer)
        return response

    async def _answer_all(self) -> None:
        while self._open:
            await self._answer(self._open[0])
            self._open.popleft()
            self._path.note()

    async def _answer(self, opened: _Open) -> None:
        """Everything from `flushed` on."""
        request, exchange = opened.request, opened.exchange
        await opened.has_passed.wait()
        message = await opened.message
        for part in opened.appended:
            for armed in due(Instant.FLUSHED, exchange.covering_part(part)):
                await self._act(armed, exchange)
        if self._is_silent:
            exchange.close("swallowed" if message is not None else "unanswered")
            message = None
        for armed in due(Instant.REPLY, exchange.covering() if message is not None else ()):
            match armed.rule.action:
                case LoseReply("close"):
                    exchange.close("answer lost")
                    raise CloseConnection(f"fault: the answer to {exchange.api} is lost")
                case LoseReply():
                    exchange.close("answer lost")
                    self._is_silent = True
                    message = None
                    break
                case TearReply(bytes_sent):
                    exchange.close("answer torn")
                    self._connection.tear(request, message, bytes_sent)
                    return
                case AnswerError(code):
                    message = self._connection.refuse(request, code, _WHY)
                case _:
                    await self._act(armed, exchange)
        exchange.close(answered(message))
        self._connection.answer(request, message)

    async def _act(self, armed: ArmedRule, exchange: Exchange) -> None:
        """What can be done at every instant on the way.

        Raises:
            CloseConnection: the connection ends here.
        """
        match armed.rule.action:
            case Disconnect():
                self._path.note()
                exchange.close(f"disconnected at {armed.rule.instant}")
                raise CloseConnection(f"fault: disconnected at {armed.rule.instant}")
            case Crash():
                exchange.close(f"crashed at {armed.rule.instant}")
        await self._path.act(armed)


_WHY = "a fault rule says so"
TOPIC_IDS_SINCE = 13  # of Produce


def _is_running(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()


def _drop(outcome: Any) -> None:
    """Nobody wants this answer."""
    if isinstance(outcome, Promise) and outcome.on_abandoned is not None:
        outcome.on_abandoned()


def _leave_out(message: Any, refused: dict[tuple[str, int], ErrorCode]) -> None:
    """Take what is refused out of a Produce request."""
    for topic in message.topic_data if refused else ():
        topic.partition_data = [
            each for each in topic.partition_data if (topic.name, each.index) not in refused
        ]
