"""EDGE: asks coordinators what transactional.py wants to know, one question at a time.

A question is written in the turn of the loop that finds it, where its coordinator is known and all
goes well: a task and its turns are half of what a small transaction costs. Else a task finds the
coordinator, and asks again whatever goes wrong, until it is answered or is no question any more.
Those who wait for a phase are told after every answer, and bound their waits themselves.
Source: TransactionManager.java; KIP-98, KIP-447, KIP-890.
Tests: tests/system/client/test_client_transactional.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

from ...protocol.apis import APIS
from ...protocol.messages.describe_transactions import DescribeTransactionsRequest
from ..cluster.backoff import backoff_ms
from ..cluster.cluster import Cluster
from ..cluster.connection import Connection
from ..cluster.coordinator import Coordinated, CoordinatorConnection, version_max
from ..config import ProducerConfig
from ..errors import (
    ConnectionFailed,
    Fatal,
    Fenced,
    RequestTimedOut,
    Retriable,
    UnsupportedApi,
)
from .sender import Sender
from .transaction_requests import answer_in, request_of
from .transactional import (
    AddOffsets,
    AddPartitions,
    After,
    CommitOffsets,
    End,
    Initialise,
    Look,
    Phase,
    Question,
    Transactional,
)

TRANSACTION_VERSION: Final = "transaction.version"
BUMPING_LEVEL: Final = 2
SUCCESSOR_MS: Final = 1_000
SOON_MS: Final = 1.0  # completing a transaction takes a coordinator a few ms; then twice as long


class Versions(NamedTuple):
    """Of an API: its key, and the newest version for brokers before KIP-890."""

    key: int
    older_max: int


VERSIONS: Final[dict[type, Versions]] = {
    Initialise: Versions(22, 5),
    AddPartitions: Versions(24, 3),
    AddOffsets: Versions(25, 4),
    CommitOffsets: Versions(28, 4),
    End: Versions(26, 4),
    Look: Versions(65, 0),
}


class Coordinating:
    """What one producer asks of the coordinators of its id and of groups.

    Args:
        wake: lets the batches go on that an answer was needed for.
        fail: ends the producer, for what should not happen.
    """

    def __init__(
        self,
        config: ProducerConfig,
        sender: Sender,
        cluster: Cluster,
        random: Random,
        *,
        wake: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        assert sender.transactional is not None, "made for producers with a transactional id"
        assert config.transactional_id is not None
        self.transactional: Transactional = sender.transactional
        self._id = config.transactional_id
        self._config = config
        self._sender = sender
        self._cluster = cluster
        self._random = random
        self._wake = wake
        self.fail = fail
        self._asking: asyncio.Task[None] | None = None
        self._asked: _Asked | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._groups: dict[str, CoordinatorConnection] = {}
        self._coordinator = CoordinatorConnection(
            self._id, config, cluster, random, Coordinated.TRANSACTION
        )

    def turn(self) -> None:
        """Something has changed: ask, if there is something to ask."""
        if self._asking is None and self._asked is None and self._cluster.takes_tasks:
            question = self._next()
            if question is not None and not self._ask_at_once(question):
                self._go_on(After.DONE)
        self.tell()

    def tell(self) -> None:
        """Let those who wait look at the phase."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def change(self) -> None:
        """Wait until the phase may be another. Raises what ended the client."""
        self._cluster.raise_if_ended()
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def stop(self) -> None:
        """The producer has ended: whoever still waits is told."""
        self.transactional.fail(Fatal("the producer was stopped"))
        self.tell()
        self.disconnect()

    @property
    def last_problem(self) -> str:
        """Why the newest question has no answer yet."""
        return self._coordinator.last_problem or self.transactional.in_doubt

    def disconnect(self) -> None:
        """Keep no connection to a coordinator."""
        for each in (self._coordinator, *self._groups.values()):
            each.forget()

    def _next(self) -> Question | None:
        return self.transactional.next_question(self._sender.on_wire_count)

    def _ask_at_once(self, question: Question) -> bool:
        """Write a question now, if its coordinator is known; False: a task has to see to it."""
        coordinator = self._coordinator_for(question)
        connection = coordinator.at_hand
        if connection is None:
            return False
        asked = _Asked(self, question, coordinator, connection)
        try:
            message, version = self._words(connection, question)
            connection.ask(message, asked, version=version)
        except (ConnectionFailed, UnsupportedApi):
            return False  # nothing was written; the task meets the same, and heeds it
        asked.bound(self._config.request_timeout_ms)
        self._asked = asked
        return True

    def on_answer(self, asked: _Asked, answer: Any) -> None:
        """A coordinator has answered what was asked at once."""
        self._asked = None
        after = self._take(asked.question, asked.coordinator, answer)
        if after is not After.DONE or isinstance(self.transactional.error, Fenced):
            self._go_on(after, asked.connection)
            return
        # Between transactions nothing waits to leave, and nothing new is to be failed.
        if self.transactional.phase is not Phase.READY:
            self._wake()
        self.turn()

    def on_no_answer(self, asked: _Asked, why: str) -> None:
        """The connection has ended first."""
        self._asked = None
        asked.coordinator.forget()
        self._go_on(self.transactional.unanswered(asked.question, why))

    def _go_on(self, after: After, connection: Connection | None = None) -> None:
        """Have a task do what follows an answer, and ask on."""
        if self._cluster.takes_tasks:
            work = self._ask_all(after, connection)
            self._asking = self._cluster.spawn(work, "ask the transaction coordinator")

    async def _ask_all(self, after: After, connection: Connection | None) -> None:
        """Ask until there is no question.

        Args:
            after: what follows the answer before.
            connection: where that came from; None if none came.
        """
        attempts = 0
        try:
            while True:
                if connection is not None and isinstance(self.transactional.error, Fenced):
                    await self._name_successor(connection)
                self._sender.in_doubt = self.transactional.in_doubt or self._sender.in_doubt
                self._wake()
                self.tell()
                if after is After.DONE:
                    attempts = 0
                else:
                    await asyncio.sleep(self._backoff_ms(after, attempts) / 1000)
                    attempts += 1
                if (question := self._next()) is None:
                    return
                after, connection = await self._ask(question)
        finally:
            self._asking = None
            self._wake()
            self.tell()

    def _backoff_ms(self, after: After, attempts: int) -> float:
        config = self._config
        initial_ms = config.retry_backoff_ms
        if after is After.SOON:
            initial_ms = min(SOON_MS, initial_ms)
        return backoff_ms(initial_ms, config.retry_backoff_max_ms, attempts, self._random)

    async def _ask(self, question: Question) -> tuple[After, Connection | None]:
        """Ask once; returns where the answer came from, too."""
        coordinator, core = self._coordinator_for(question), self.transactional
        timeout_ms = self._config.request_timeout_ms
        try:
            connection = await coordinator.connection(timeout_ms)
            message, version = self._words(connection, question)
            answer = await connection.request(message, version=version, timeout_ms=timeout_ms)
        except UnsupportedApi as error:
            core.refused_by_version(question, str(error))
        except (ConnectionFailed, RequestTimedOut) as error:
            coordinator.forget()
            return core.unanswered(question, str(error)), None
        except Retriable as error:
            core.in_doubt = str(error)
            return After.FIND, None
        except Fatal as error:
            core.fail(error)
        else:
            return self._take(question, coordinator, answer), connection
        return After.DONE, None

    def _take(self, question: Question, coordinator: CoordinatorConnection, answer: Any) -> After:
        after = self.transactional.answered(question, *answer_in(question, answer))
        if after is After.FIND:
            coordinator.forget()
        return after

    async def _name_successor(self, connection: Connection) -> None:
        """What the coordinator knows of the id now, for the text; if it says so soon."""
        request = DescribeTransactionsRequest(transactional_ids=[self._id])
        timeout_ms = min(SUCCESSOR_MS, self._config.request_timeout_ms)
        try:
            answer = await connection.request(request, timeout_ms=timeout_ms)
        except (ConnectionFailed, RequestTimedOut, UnsupportedApi):
            return  # Kafka before 3.0, say: the error stands without it
        for each in answer.transaction_states:
            if not each.error_code:
                ids = (each.producer_id, each.producer_epoch)
                self.transactional.name_successor(*ids, each.transaction_state)

    def _words(self, connection: Connection, question: Question) -> tuple[Any, int]:
        """The message that asks, and its version."""
        core = self.transactional
        key, older_max = VERSIONS[type(question)]
        newest = version_max(connection, key)
        if isinstance(question, Initialise):
            core.learn(self._bumps(connection))
        version = newest if core.bumps else min(newest, older_max)
        if newest < 0:
            version = APIS[key].newest_spoken  # which says what is lacking
        message = request_of(question, self._id, self._config.transaction_timeout_ms, core)
        return message, version

    def _bumps(self, connection: Connection) -> bool:
        """Whether the cluster follows KIP-890, and this client can say what it needs for that."""
        level = connection.features.get(TRANSACTION_VERSION, 0)
        return level >= BUMPING_LEVEL and all(
            version_max(connection, VERSIONS[each].key) > VERSIONS[each].older_max
            for each in (CommitOffsets, End)
        )

    def _coordinator_for(self, question: Question) -> CoordinatorConnection:
        if not isinstance(question, CommitOffsets):
            return self._coordinator
        group_id = question.taken.group_id
        known = self._groups.get(group_id)
        if known is None:
            known = self._groups[group_id] = CoordinatorConnection(
                group_id, self._config, self._cluster, self._random
            )
        return known


class _Asked:
    """A question that waits for its answer; told so by the connection, without a turn of the loop.

    Whatever becomes of it is heard once: an answer, the end of the connection, or that it is late,
    which ends the connection.
    """

    __slots__ = ("_home", "_late", "connection", "coordinator", "question")

    def __init__(
        self,
        home: Coordinating,
        question: Question,
        coordinator: CoordinatorConnection,
        connection: Connection,
    ) -> None:
        self.question = question
        self.coordinator = coordinator
        self.connection = connection
        self._home = home
        self._late: asyncio.TimerHandle | None = None

    def bound(self, timeout_ms: float) -> None:
        """Wait so long at most."""
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(timeout_ms / 1000, self._give_up, timeout_ms)

    def done(self) -> bool:
        """It always wants to know."""
        return False

    def set_result(self, result: Any, /) -> None:
        """The answer."""
        self._end()
        try:
            self._home.on_answer(self, result)
        except Exception as error:  # noqa: BLE001  told to everybody who waits, and logged
            self._home.fail(error)

    def set_exception(self, exception: Exception, /) -> None:
        """There will be none."""
        self._end()
        try:
            self._home.on_no_answer(self, str(exception))
        except Exception as error:  # noqa: BLE001  told to everybody who waits, and logged
            self._home.fail(error)

    def _end(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def _give_up(self, timeout_ms: float) -> None:
        to, name = self.connection, type(self.question).__name__
        text = f"{name}: {to.host}:{to.port} gave no answer within {timeout_ms:.0f} ms"
        to.fail(RequestTimedOut(text))
