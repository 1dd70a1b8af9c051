"""EDGE: the transactional id of a session: its newest owner shuts out all before it, and is known.

A session's batches are plain ones under the id's producer id. Partitions ask no coordinator about
those, so that it takes three things to have one owner of many copies:
1. Who takes the id over has a marker of its epoch written into every partition that an owner before
   may write to: a transaction over them, in which nothing is, is aborted. Behind it whatever comes
   late of an older epoch is refused.
2. Which partitions these are is in the register (register.py). An owner puts a partition there,
   then has the coordinator confirm that the id is still its own, and only then writes to it. So
   whoever takes the id over later finds it there.
3. The register also names the newest owner, by which an old copy is known for what it is.
Read first: docs/decisions/0020-one-owner-of-many-copies.md. Read next: sending.py (EDGE).
Source: KIP-98; KIP-360 (InitProducerId with an epoch); KIP-588, KIP-890 (who is fenced, and how).
Tests: tests/system/client/session/test_owners.py
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Any, Final, NamedTuple

from ....protocol.errors import ErrorCode, error_code
from ....protocol.messages.add_partitions_to_txn import (
    ADD_PARTITIONS_TO_TXN,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from ....protocol.messages.describe_transactions import DescribeTransactionsRequest
from ....protocol.messages.end_txn import END_TXN, EndTxnRequest
from ....protocol.messages.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from ....protocol.messages.offset_fetch import OFFSET_FETCH
from ...cluster.backoff import backoff_ms
from ...cluster.cluster import Cluster
from ...cluster.connection import Connection
from ...cluster.coordinator import Coordinated, CoordinatorConnection, version_max
from ...cluster.offsets_wire import commit_codes, commit_outside, fetch_request, fetched
from ...config import ProducerConfig
from ...errors import (
    ConnectionFailed,
    Fatal,
    Fenced,
    RequestTimedOut,
    Retriable,
    UnsupportedApi,
)
from ...partitions import TopicPartition
from ..settler import GONE_AFTER_MS
from .register import Registered, entries_in, entry_of, group_of

E = ErrorCode
OLDER_MAX: Final = {INIT_PRODUCER_ID.key: 5, ADD_PARTITIONS_TO_TXN.key: 3, END_TXN.key: 4}
FENCED: Final = frozenset(
    {E.INVALID_PRODUCER_EPOCH, E.PRODUCER_FENCED, E.INVALID_PRODUCER_ID_MAPPING}
)
NOT_THERE: Final = frozenset({E.NOT_COORDINATOR, E.COORDINATOR_NOT_AVAILABLE})
NOBODY: Final = -1
NO_KEY: Final = -1
SUCCESSOR_MS: Final = 1_000
HINTS: Final = {
    E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "; allow the user Write on the transactional id",
    E.GROUP_AUTHORIZATION_FAILED: "; allow the user Read on the group {group}",
}
REFRESH_MS: Final = 86_400_000.0  # coordinators forget ids and offsets after a week


class Grant(NamedTuple):
    """The id's producer id, and the epoch that the coordinator has given for it."""

    producer_id: int
    producer_epoch: int


class Forgotten(Fatal):
    """The coordinator has another producer id for us: of the one before nobody is told any more."""


class Ownership:
    """One transactional id, as one producer has it. All questions are asked until answered.

    Args:
        gone_after_ms: how long a coordinator has to say that a partition is gone.

    Attributes:
        transactional_id: as configured.
        granted: what was given last.
        problem: why the newest question has no answer yet.
        granted_at: when, in seconds of the loop.
    """

    def __init__(
        self,
        transactional_id: str,
        config: ProducerConfig,
        cluster: Cluster,
        random: Random,
        gone_after_ms: float = GONE_AFTER_MS,
    ) -> None:
        self.transactional_id = transactional_id
        self.gone_after_ms = gone_after_ms
        self.granted_at = 0.0
        self.granted = Grant(NOBODY, NOBODY)
        self.problem = ""
        self._config = config
        self._random = random
        self._group_id = group_of(transactional_id)
        self._owner = f"{socket.gethostname()}, process {os.getpid()}"
        self._coordinator = CoordinatorConnection(
            transactional_id, config, cluster, random, Coordinated.TRANSACTION
        )
        self._group = CoordinatorConnection(self._group_id, config, cluster, random)

    async def registered(self) -> list[Registered]:
        """All partitions that owners have registered."""

        def message(connection: Connection) -> Any:
            newest = version_max(connection, OFFSET_FETCH.key)
            return fetch_request(self._group_id, None, newest, require_stable=False)

        answer = await self._ask(self._group, message, lambda answer: fetched(answer)[0])
        return entries_in(fetched(answer)[1])

    async def register(self, places: Collection[TopicPartition], *, is_again: bool = False) -> None:
        """Put partitions there, under the grant of now; they are known to be ours then.

        Args:
            is_again: those that are gone by now are left out.
        """
        if not places:
            return
        entry = entry_of(*self.granted, self._owner)
        request = commit_outside(self._group_id, dict.fromkeys(places, entry))
        passed = {E.UNKNOWN_TOPIC_OR_PARTITION} if is_again else set()

        def code_of(answer: Any) -> ErrorCode:
            return _worst(set(commit_codes(answer).values()) - passed)

        await self._ask(self._group, lambda _: request, code_of)

    async def take(self) -> None:
        """Have the next epoch: who had the one before can register nothing any more."""
        self._take_grant(await self._initialise(Grant(NOBODY, NOBODY)))

    async def renew(self) -> None:
        """Have the next epoch of the one we have.

        Raises:
            Fenced: it is not ours any more.
            Forgotten: nobody's.
        """
        before = self.granted
        grant = await self._initialise(before)
        if grant.producer_id != before.producer_id:
            # It is not taken: 1. another partition waits to be registered 2. it is, under an id
            # that the journal does not know 3. whoever goes on finds a partition of that id in the
            # register, and not in the journal: it takes itself for an old copy.
            raise Forgotten(
                f"transactional id {self.transactional_id}: the coordinator has forgotten producer "
                f"id {before.producer_id}, or its epochs are used up: start anew"
            )
        self._take_grant(grant)

    async def shut_out(self, places: Collection[TopicPartition]) -> set[TopicPartition]:
        """Have a marker of our epoch in each partition: older epochs end there.

        When this returns the markers are written, and there is a newer grant.

        Returns: the partitions that are marked; those that are gone are left out.
        """
        left = set(places)
        loop = asyncio.get_running_loop()
        gone_at = loop.time() + self.gone_after_ms / 1000
        attempts = 0
        while left:
            codes = await self._add(left)
            gone = {place for place, code in codes.items() if code is E.UNKNOWN_TOPIC_OR_PARTITION}
            if not gone:
                break
            # Brokers that have just started know less: 1. it says that the partition is gone
            # 2. nothing is marked there  3. what comes late of the owner before is stored.
            if loop.time() < gone_at:
                self.problem = f"{len(gone)} partitions are not known to the coordinator"
                await self.back_off(attempts)
                attempts += 1
            else:
                left -= gone
        if left:
            await self._end()
        await self.renew()  # answered only when all markers are there
        return left

    async def _add(self, places: Collection[TopicPartition]) -> dict[TopicPartition, ErrorCode]:
        by_name: dict[str, list[int]] = {}
        for name, index in sorted(places):
            by_name.setdefault(name, []).append(index)
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.granted.producer_id,
            v3_and_below_producer_epoch=self.granted.producer_epoch,
            v3_and_below_topics=[
                AddPartitionsToTxnTopic(name=name, partitions=each)
                for name, each in by_name.items()
            ],
        )

        def codes_in(answer: Any) -> dict[TopicPartition, ErrorCode]:
            return {
                TopicPartition(topic.name, each.partition_index): error_code(
                    each.partition_error_code
                )
                for topic in answer.results_by_topic_v3_and_below
                for each in topic.results_by_partition
            }

        def code_of(answer: Any) -> ErrorCode:
            codes = codes_in(answer).values()
            # One that is gone keeps the others from being added: then these are asked for again.
            is_gone = E.UNKNOWN_TOPIC_OR_PARTITION in codes
            return _worst(
                code
                for code in codes
                if code is not E.UNKNOWN_TOPIC_OR_PARTITION
                and not (is_gone and code is E.OPERATION_NOT_ATTEMPTED)
            )

        key = ADD_PARTITIONS_TO_TXN.key
        return codes_in(await self._ask(self._coordinator, lambda _: request, code_of, key))

    async def _end(self) -> None:
        request = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self.granted.producer_id,
            producer_epoch=self.granted.producer_epoch,
            committed=False,
        )
        await self._ask(self._coordinator, lambda _: request, _code_of, END_TXN.key)

    async def _initialise(self, grant: Grant) -> Grant:
        request = InitProducerIdRequest(
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self._config.transaction_timeout_ms,
            producer_id=grant.producer_id,
            producer_epoch=grant.producer_epoch,
        )
        key = INIT_PRODUCER_ID.key
        answer = await self._ask(self._coordinator, lambda _: request, _code_of, key)
        return Grant(answer.producer_id, answer.producer_epoch)

    async def successor(self) -> str:
        """What is known of who has the id now, for people; "" where nobody says so soon."""
        timeout_ms = SUCCESSOR_MS
        said = []
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                entries = await self.registered()
                newest = max(entries, key=lambda each: each.producer_epoch, default=None)
                if newest is not None and newest.producer_epoch > self.granted.producer_epoch:
                    said.append(f"it was gone on with by {newest.owner}")
                request = DescribeTransactionsRequest(transactional_ids=[self.transactional_id])
                connection = await self._coordinator.connection(timeout_ms)
                answer = await connection.request(request, timeout_ms=timeout_ms)
                for each in answer.transaction_states:
                    if not each.error_code:
                        ids = f"producer id {each.producer_id}, epoch {each.producer_epoch}"
                        said.append(f"the coordinator now has {ids}")
        except (TimeoutError, Retriable, Fatal, ConnectionFailed, RequestTimedOut, UnsupportedApi):
            pass  # the error stands without it
        return "; ".join(said)

    def disconnect(self) -> None:
        """Keep no connections."""
        self._coordinator.forget()
        self._group.forget()

    def _take_grant(self, grant: Grant) -> None:
        self.granted, self.granted_at = grant, asyncio.get_running_loop().time()

    async def _ask(
        self,
        coordinator: CoordinatorConnection,
        message_for: Callable[[Connection], Any],
        code_of: Callable[[Any], ErrorCode],
        key: int = NO_KEY,
    ) -> Any:
        """The answer to a question, asked until there is one.

        Args:
            key: of an API that only an older version of is spoken; NO_KEY for the newest.

        Raises:
            Fenced: the id is somebody else's now.
            Fatal: a broker refuses for good, or lacks the API.
        """
        timeout_ms = self._config.request_timeout_ms
        attempts = 0
        while True:
            try:
                connection = await coordinator.connection(timeout_ms)
                version = None
                if key in OLDER_MAX:
                    version = min(version_max(connection, key), OLDER_MAX[key])
                answer = await connection.request(
                    message_for(connection), version=version, timeout_ms=timeout_ms
                )
            except (ConnectionFailed, RequestTimedOut) as error:
                self.problem = str(error)
                coordinator.forget()
            except Retriable as error:
                self.problem = str(error)
            else:
                code = code_of(answer)
                if not code:
                    return answer
                self.problem = f"{code.name}: {code.text}"
                if code in FENCED:
                    raise Fenced(self.fenced_text(code.name), code=code)
                if not code.retriable:
                    raise Fatal(
                        f"transactional id {self.transactional_id}: {self.problem}"
                        f"{HINTS.get(code, '').format(group=self._group_id)}",
                        code=code,
                    )
                if code in NOT_THERE:
                    coordinator.forget()
            await self.back_off(attempts)
            attempts += 1

    def fenced_text(self, why: str) -> str:
        """That it is over, for people."""
        pid, epoch = self.granted
        return (
            f"transactional id {self.transactional_id}: {why}: producer id {pid}, epoch {epoch} is "
            "at its end. Either somebody goes on with a copy of this session, and sends what this "
            "directory still held, or a request that nobody waits for any more has ended it: start "
            "again, which is refused if there is somebody"
        )

    async def back_off(self, attempts: int) -> None:
        """Wait before something is asked again."""
        config = self._config
        wait_ms = backoff_ms(
            config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random
        )
        await asyncio.sleep(wait_ms / 1000)


def _code_of(answer: Any) -> ErrorCode:
    return error_code(answer.error_code)


def _worst(codes: Iterable[ErrorCode]) -> ErrorCode:
    """One that ends the question before one that lets it be asked again."""
    found = [code for code in codes if code]
    return min(found, key=lambda code: code.retriable, default=E.NONE)
