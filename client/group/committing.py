"""EDGE: commits a group's offsets and looks them up, for one consumer, within a bound.

What an error code asks for stands in membership.py; here it is waited, found anew or told.
Source: ConsumerCoordinator.java.
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from ...protocol.messages.offset_fetch import OffsetFetchResponse
from ..cluster.cluster import bounded
from ..cluster.coordinator import CoordinatorConnection, version_max
from ..cluster.offsets_wire import commit_codes, commit_topics, fetch_request, fetched
from ..config import ConsumerConfig
from ..errors import ClientError, ConnectionFailed, Fatal, Fenced, RequestTimedOut, Retriable, words
from ..partitions import OffsetAndMetadata, TopicPartition, name_of
from .assignors import NO_GENERATION
from .membership import NEXT_STEPS, Membership, NextStep
from .subscription import Subscription

OFFSET_FETCH_KEY = 9
OUTCOME_UNKNOWN = (ConnectionFailed, RequestTimedOut)


class Committing:
    """Offsets of one consumer's group.

    Args:
        is_settled: set while the member is neither joining nor waiting for its assignment: only
            then are commits accepted.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        coordinator: CoordinatorConnection,
        membership: Membership,
        subscription: Subscription,
        is_settled: asyncio.Event,
    ) -> None:
        self._config = config
        self._coordinator = coordinator
        self._membership = membership
        self._subscription = subscription
        self._is_settled = is_settled

    async def commit(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], timeout_ms: float
    ) -> None:
        """Store offsets for the group.

        Raises:
            Fenced: the group went on without this member; others may read its partitions now.
            Retriable: the group rebalances, or no answer within `timeout_ms`.
            Fatal: the broker refuses for good.
        """
        if not offsets:
            return
        was_member = self._membership.generation != NO_GENERATION
        async with bounded(timeout_ms, lambda: self._late("committed", timeout_ms)):
            attempts = 0
            while True:
                await self._is_settled.wait()
                generation = self._membership.generation
                # 1. The application unsubscribes; what it read is committed; no answer comes.
                # 2. Meanwhile the group goes on without this member. Others read on, and commit.
                # 3. Asked again outside of a generation, as partitions chosen by hand are, an
                #    empty group would take the old offsets.
                if generation == NO_GENERATION and (was_member or self._subscription.is_set):
                    raise self._outside()
                try:
                    answer: OffsetCommitResponse = await self._coordinator.ask(
                        self._request(offsets), self._config.request_timeout_ms
                    )
                except OUTCOME_UNKNOWN:
                    step = NextStep.FIND
                else:
                    step = self._judge(offsets, commit_codes(answer), generation)
                if step is NextStep.DONE:
                    return
                if step is NextStep.FIND:
                    self._coordinator.forget()
                await asyncio.sleep(self._coordinator.backoff_ms(attempts) / 1000)
                attempts += 1

    async def committed(
        self, places: Iterable[TopicPartition], timeout_ms: float
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """What the group has committed; partitions without an offset are left out.

        Raises:
            Retriable: no answer within `timeout_ms`.
            Fatal: the broker refuses for good.
        """
        wanted, group_id = [*places], self._membership.group_id
        async with bounded(timeout_ms, lambda: self._late("looked up", timeout_ms)):
            attempts = 0
            while True:
                await self._is_settled.wait()
                try:
                    answer: OffsetFetchResponse = await self._coordinator.ask_with(
                        lambda connection: fetch_request(
                            group_id,
                            wanted,
                            version_max(connection, OFFSET_FETCH_KEY),
                            require_stable=True,
                        ),
                        self._config.request_timeout_ms,
                    )
                except OUTCOME_UNKNOWN:
                    code = ErrorCode.COORDINATOR_NOT_AVAILABLE
                else:
                    code, found = fetched(answer)
                    if not code:
                        return found
                if not code.retriable:
                    raise self._membership.error_of(code)
                self._coordinator.last_problem = f"{code.name}: {code.text}"
                if NEXT_STEPS["OffsetCommit"].get(code) is NextStep.FIND:
                    self._coordinator.forget()
                await asyncio.sleep(self._coordinator.backoff_ms(attempts) / 1000)
                attempts += 1

    def _request(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> OffsetCommitRequest:
        membership = self._membership
        if membership.generation == NO_GENERATION:  # partitions were assigned by hand
            return OffsetCommitRequest(group_id=membership.group_id, topics=commit_topics(offsets))
        return OffsetCommitRequest(
            group_id=membership.group_id,
            generation_id_or_member_epoch=membership.generation,
            member_id=membership.member_id,
            group_instance_id=self._config.group_instance_id,
            topics=commit_topics(offsets),
        )

    def _judge(
        self,
        asked: Iterable[TopicPartition],
        codes: Mapping[TopicPartition, ErrorCode],
        generation: int,
    ) -> NextStep:
        """What the answer as a whole asks for. Raises as commit()."""
        for place in asked:
            where = f"group {self._membership.group_id}, {name_of(place)}"
            if place not in codes:
                raise Fatal(f"{where}: the broker has not said whether it was committed")
            code = codes[place]
            if not code:
                continue
            step = self._membership.judge("OffsetCommit", code, generation=generation)
            if step is NextStep.REJOIN:
                raise Retriable(
                    f"{where}: {code.name}: nothing was committed; ask for the next records, "
                    "then commit again what is still assigned",
                    code=code,
                )
            if step in (NextStep.NEW_GENERATION, NextStep.NEW_MEMBER):
                raise self._outside(code)
            if step is NextStep.FAIL:
                kind = Fenced if code is ErrorCode.FENCED_INSTANCE_ID else Fatal
                told = words(code, AclOperation.READ)
                raise kind(f"{where}: {code.name}: {told}", code=code)
            self._coordinator.last_problem = f"{where}: {code.name}: {code.text}"
            return step
        self._membership.figures.commit_total += 1
        return NextStep.DONE

    def _outside(self, code: ErrorCode = ErrorCode.UNKNOWN_MEMBER_ID) -> ClientError:
        return Fenced(
            f"group {self._membership.group_id}: {code.name}: nothing was committed: the group "
            "went on without this consumer, and its partitions may be read by another. The time "
            "between two calls for records is limited by max_poll_interval_ms="
            f"{self._config.max_poll_interval_ms}, silence by session_timeout_ms="
            f"{self._config.session_timeout_ms}",
            code=code,
        )

    def _late(self, done: str, timeout_ms: float) -> ClientError:
        return Retriable(
            f"group {self._membership.group_id}: no offsets were {done} within "
            f"{timeout_ms:.0f} ms; last problem: {self._coordinator.last_problem or 'none'}",
            code=ErrorCode.REQUEST_TIMED_OUT,
        )
