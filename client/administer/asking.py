"""EDGE: what all calls of Admin share: whom to ask, how often, and what is said in the end.

A question names the node it belongs to (any, the controller, a group's coordinator, a partition's
leader); it is asked again, with backoff, while the answer says that it may work later or does not
come, until timeout_ms have passed.
Source: KafkaAdminClient.java.
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Any, TypeVar

from ...protocol.acls import AclOperation
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
)
from ..cluster.backoff import backoff_ms
from ..cluster.cluster import Cluster, bounded
from ..cluster.connection import Connection
from ..cluster.coordinator import Coordinated, find_coordinator
from ..cluster.list_offsets import OffsetLookup
from ..config import AdminConfig
from ..door.owner import Owner
from ..errors import ClientError, Fatal, Retriable, UnsupportedApi, words
from ..partitions import TopicPartition, name_of

T = TypeVar("T")
NO_PARTITION = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
HINTS = {
    ErrorCode.NON_EMPTY_GROUP: "stop its consumers first",
    ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC: "stop the consumers that read it first",
    ErrorCode.UNKNOWN_MEMBER_ID: "the group has members: stop its consumers first",
    ErrorCode.REBALANCE_IN_PROGRESS: "the group has members: stop its consumers first",
    ErrorCode.TOPIC_ALREADY_EXISTS: "delete it first, or use another name",
    ErrorCode.TOPIC_DELETION_DISABLED: "set delete.topic.enable=true on the broker",
    ErrorCode.TRANSACTIONAL_ID_NOT_FOUND: "ids not used for transactional.id.expiration.ms are"
    " forgotten",
    ErrorCode.INVALID_REGULAR_EXPRESSION: "the pattern is one of RE2, for the whole id",
}


class Asking:
    """The way to the right broker, for the calls in topics.py, groups.py and transactions.py.

    Attributes:
        timeout_ms: bound of every call.
    """

    def __init__(self, owner: Owner, config: AdminConfig) -> None:
        self.owner = owner
        self.config = config
        self.timeout_ms = config.timeout_ms
        self._random = Random()
        self.cluster = Cluster(config, self._random, lambda: None)
        self.offsets = OffsetLookup(config, self.cluster)

    async def persist(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Do `ask` until it neither loses its connection nor raises Retriable.

        An answer that leaves out what was asked for is no yes: `ask` looks for all of it, and what
        it raises where that is missing becomes Fatal.

        Raises:
            Retriable: not within timeout_ms; the text says what was asked and why it failed last.
            Fatal: a broker refuses for good, lacks the API, or answers what makes no sense.
        """
        self.owner.check()
        problem = ""

        def late() -> ClientError:
            text = f"{what}: no success within {self.timeout_ms} ms; last problem: "
            return Retriable(text + (problem or "none"), code=ErrorCode.REQUEST_TIMED_OUT)

        async with bounded(self.timeout_ms, late):
            attempts = 0
            while True:
                try:
                    return await ask()
                except Retriable as error:
                    problem = str(error)
                except UnsupportedApi as error:
                    raise UnsupportedApi(f"{what}: {error}") from error
                except ClientError:
                    raise
                except Exception as error:  # an answer that leaves out what was asked for, say
                    raise Fatal(f"{what}: the broker's answer makes no sense: {error!r}") from error
                config = self.config
                wait_ms = backoff_ms(
                    config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random
                )
                await asyncio.sleep(wait_ms / 1000)
                await self.cluster.refresh()
                attempts += 1

    async def anywhere(self) -> Connection:
        """A connection to any broker."""
        return await self.cluster.any_connection()

    async def controller(self) -> Connection:
        """A connection to the controller, or to a broker that passes questions on to it."""
        node_id = self.cluster.metadata.controller_id
        if node_id not in self.cluster.metadata.brokers:
            return await self.cluster.any_connection()  # which passes it on
        return await self.node(node_id)

    async def coordinator(self, group_id: str) -> Connection:
        """A connection to a group's coordinator."""
        return await self.node(await self.coordinator_id(Coordinated.GROUP, group_id))

    async def coordinator_id(self, kind: Coordinated, name: str) -> int:
        """The node that coordinates a group or a transactional id."""
        node = await find_coordinator(self.cluster, name, self.config.request_timeout_ms, kind)
        if node.node_id not in self.cluster.metadata.brokers:
            await self.cluster.refresh()
        return node.node_id

    async def by_leader(self, places: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
        """The partitions that each node leads. Raises as check() where one has no leader."""
        wanted = sorted(places)
        topics = [
            MetadataRequestTopic(topic_id=ZERO_UUID, name=name)
            for name in sorted({topic for topic, _ in wanted})
        ]
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        answer: MetadataResponse = await self.request(await self.anywhere(), request)
        leaders: dict[TopicPartition, int] = {}
        for each in answer.topics:
            check(each.error_code, f"topic {each.name}", None, AclOperation.DESCRIBE)
            for partition in each.partitions:
                place = TopicPartition(each.name or "", partition.partition_index)
                leaders[place] = partition.leader_id
        by_node: dict[int, list[TopicPartition]] = {}
        for place in wanted:
            if place not in leaders:
                check(NO_PARTITION, name_of(place))
            if leaders[place] < 0:
                check(ErrorCode.LEADER_NOT_AVAILABLE, name_of(place))
            by_node.setdefault(leaders[place], []).append(place)
        return by_node

    async def node(self, node_id: int) -> Connection:
        """A connection to a broker by its node id."""
        timeout_ms = self.config.socket_connection_setup_timeout_ms
        return await self.cluster.connection_to(node_id, timeout_ms)

    async def request(self, connection: Connection, message: Any) -> Any:
        """The answer to a request, within request_timeout_ms."""
        return await connection.request(message, timeout_ms=self.config.request_timeout_ms)


def check(
    number: int, what: str, said: str | None = None, needed: AclOperation | None = None
) -> None:
    """Raise Retriable or Fatal for an error code other than 0.

    Args:
        what: the topic, group or partition that it is about.
        said: the broker's own words, if it has any.
        needed: the operation that it needs a right to.
    """
    code = error_code(number)
    if not code:
        return
    kind = Retriable if code.retriable and code not in FINAL else Fatal
    text = words(code, needed, said)
    if code in HINTS:
        text = f"{text.rstrip('.')}; {HINTS[code]}"
    raise kind(f"{what}: {code.name}: {text}", code=code, reason=said or None)


# Retriable for a client that reads or writes, final for one that asks whether a thing is there.
FINAL = {NO_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID}
