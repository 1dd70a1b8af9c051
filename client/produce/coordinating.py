"""EDGE: asks coordinators what transactional.py wants to know, one question at a time.

A task of it runs while there is a question; whatever goes wrong, the same is asked again, until it
is answered or is no question any more. Those who wait for a phase are told after every answer, and
bound their waits themselves.
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
    Question,
    Transactional,
)

TRANSACTION_VERSION: Final = "transaction.version"
BUMPING_LEVEL: Final = 2
SUCCESSOR_MS: Final = 1_000
SOON_MS: Final = 20.0  # completing a transaction takes a coordinator a few ms


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
}


class Coordinating:
    """What one producer asks of the coordinators of its id and of groups.

    Args:
        wake: lets the batches go on that an answer was needed for.
    """

    def __init__(
        self,
        config: ProducerConfig,
        sender: Sender,
        cluster: Cluster,
        random: Random,
        wake: Callable[[], None],
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
        self._asking: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._groups: dict[str, CoordinatorConnection] = {}
        self._coordinator = CoordinatorConnection(
            self._id, config, cluster, random, Coordinated.TRANSACTION
        )

    def turn(self) -> None:
        """Something has changed: ask, if there is something to ask."""
        if self._asking is None and self._cluster.takes_tasks and self._next() is not None:
            self._asking = self._cluster.spawn(self._ask_all(), "ask the transaction coordinator")
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

    async def _ask_all(self) -> None:
        attempts = 0
        try:
            while (question := self._next()) is not None:
                after = await self._ask(question)
                self._sender.in_doubt = self.transactional.in_doubt or self._sender.in_doubt
                self._wake()
                self.tell()
                if after is After.DONE:
                    attempts = 0
                    continue
                config = self._config
                initial_ms = config.retry_backoff_ms
                if after is After.SOON:
                    initial_ms = min(SOON_MS, initial_ms)
                limit_ms = config.retry_backoff_max_ms
                wait_ms = backoff_ms(initial_ms, limit_ms, attempts, self._random)
                attempts += 1
                await asyncio.sleep(wait_ms / 1000)
        finally:
            self._asking = None
            self._wake()
            self.tell()

    async def _ask(self, question: Question) -> After:
        """Ask once."""
        asked, core = self._coordinator, self.transactional
        if isinstance(question, CommitOffsets):
            asked = self._coordinator_of(question.taken.group_id)
        try:
            connection = await asked.connection(self._config.request_timeout_ms)
            answer = await self._request(connection, question)
        except UnsupportedApi as error:
            core.refused_by_version(question, str(error))
            return After.DONE
        except (ConnectionFailed, RequestTimedOut) as error:
            asked.forget()
            return core.unanswered(question, str(error))
        except Retriable as error:
            core.in_doubt = str(error)
            return After.FIND
        except Fatal as error:
            core.fail(error)
            return After.DONE
        after = core.answered(question, *answer_in(question, answer))
        if isinstance(core.error, Fenced):
            await self._name_successor(connection)
        if after is After.FIND:
            asked.forget()
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

    async def _request(self, connection: Connection, question: Question) -> Any:
        core = self.transactional
        key, older_max = VERSIONS[type(question)]
        newest = version_max(connection, key)
        if isinstance(question, Initialise):
            core.learn(self._bumps(connection))
        version = newest if core.bumps else min(newest, older_max)
        if newest < 0:
            version = APIS[key].newest_spoken  # which says what is lacking
        timeout_ms = self._config.request_timeout_ms
        request = request_of(question, self._id, self._config.transaction_timeout_ms, core)
        return await connection.request(request, version=version, timeout_ms=timeout_ms)

    def _bumps(self, connection: Connection) -> bool:
        """Whether the cluster follows KIP-890, and this client can say what it needs for that."""
        level = connection.features.get(TRANSACTION_VERSION, 0)
        return level >= BUMPING_LEVEL and all(
            version_max(connection, VERSIONS[each].key) > VERSIONS[each].older_max
            for each in (CommitOffsets, End)
        )

    def _coordinator_of(self, group_id: str) -> CoordinatorConnection:
        known = self._groups.get(group_id)
        if known is None:
            known = self._groups[group_id] = CoordinatorConnection(
                group_id, self._config, self._cluster, self._random
            )
        return known
