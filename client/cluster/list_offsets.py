"""EDGE: where a partition begins and ends, what it held at a time, where a leader epoch ends.

Asks each partition's leader, again after stale metadata or a lost connection, within a bound.
Tests: tests/system/client/test_client.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ...protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from ..config import ConnectionConfig
from ..errors import ConnectionFailed, Fatal, RequestTimedOut, Retriable, UnsupportedApi, words
from ..partitions import TopicPartition, name_of
from .cluster import Cluster

EARLIEST: Final = -2
LATEST: Final = -1
MAX_TIMESTAMP: Final = -3
CONSUMER: Final = -1  # replica_id of who is no replica
ENDLESS: Final = 2**63 - 1
NO_OFFSET: Final = -1  # there is no record of that time


class OffsetAndTimestamp(NamedTuple):
    """A record's place and time; offset -1 where no record is meant."""

    offset: int
    timestamp: int
    leader_epoch: int


class EpochEnd(NamedTuple):
    """The newest leader epoch not above the one asked for, and the offset behind its records."""

    leader_epoch: int
    end_offset: int


class OffsetLookup:
    """Looks offsets up for one client.

    Args:
        isolation: 0, or 1 for one that sees committed records only (ListOffsets v2 and later).
    """

    def __init__(self, config: ConnectionConfig, cluster: Cluster, isolation: int = 0) -> None:
        self._config = config
        self._cluster = cluster
        self._isolation = isolation
        self._problem = ""

    async def at(
        self, timestamps: Mapping[TopicPartition, int], timeout_ms: float
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """The offset of each partition at EARLIEST, LATEST or a time in ms since 1970.

        Raises:
            Fatal: a broker refuses for good.
            Retriable: not within `timeout_ms`.
        """
        found: dict[TopicPartition, OffsetAndTimestamp] = {}
        missing = dict(timestamps)
        try:
            async with asyncio.timeout(timeout_ms / 1000) as timeout:
                await self._cluster.ensure_topics({topic for topic, _ in missing}, timeout_ms)
                while missing:
                    found.update(await self._round(missing))
                    missing = {place: t for place, t in missing.items() if place not in found}
                    if missing:
                        await asyncio.sleep(self._config.retry_backoff_ms / 1000)
                        await self._cluster.refresh()
        except TimeoutError:
            if not timeout.expired():
                raise
            names = ", ".join(f"{topic}-{partition}" for topic, partition in missing)
            raise Retriable(
                f"no offset of {names} within {timeout_ms:.0f} ms; "
                f"last problem: {self._problem or self._cluster.last_problem or 'none'}",
                code=ErrorCode.REQUEST_TIMED_OUT,
            ) from None
        return found

    async def _round(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """Ask every leader once; partitions that must be asked again are left out."""
        by_node: dict[int, dict[str, list[ListOffsetsPartition]]] = {}
        metadata = self._cluster.metadata
        for (topic, partition), timestamp in timestamps.items():
            node_id = metadata.leader_of(topic, partition)
            if node_id < 0:
                self._check_exists(topic, partition)
                continue
            wanted = ListOffsetsPartition(
                partition_index=partition,
                current_leader_epoch=metadata.epoch_of(topic, partition),
                timestamp=timestamp,
            )
            by_node.setdefault(node_id, {}).setdefault(topic, []).append(wanted)
        found: dict[TopicPartition, OffsetAndTimestamp] = {}
        for node_id, topics in by_node.items():
            found.update(await self._ask(node_id, topics))
        return found

    async def _ask(
        self, node_id: int, topics: dict[str, list[ListOffsetsPartition]]
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        request = ListOffsetsRequest(
            isolation_level=self._isolation,
            topics=[
                ListOffsetsTopic(name=name, partitions=wanted) for name, wanted in topics.items()
            ],
        )
        timeout_ms = self._config.request_timeout_ms
        try:
            connection = await self._cluster.connection_to(node_id, timeout_ms)
            response: ListOffsetsResponse = await connection.request(request, timeout_ms=timeout_ms)
        except (ConnectionFailed, RequestTimedOut) as error:
            self._problem = str(error)
            return {}
        asked = {
            TopicPartition(name, each.partition_index): each.timestamp
            for name, wanted in topics.items()
            for each in wanted
        }
        found = {}
        for topic in response.topics:
            for partition in topic.partitions:
                code = error_code(partition.error_code)
                place = TopicPartition(topic.name, partition.partition_index)
                name = name_of(place)
                if place not in asked:
                    continue
                if code and not code.retriable:
                    told = words(code, AclOperation.DESCRIBE)
                    raise Fatal(f"{name}: {code.name}: {told}", code=code)
                if code:
                    self._problem = f"{name}: {code.name}: {code.text}"
                    continue
                if partition.offset < 0 and (asked[place] < 0 or partition.offset != NO_OFFSET):
                    self._problem = f"{name}: the broker answers with offset {partition.offset}"
                    continue
                found[place] = OffsetAndTimestamp(
                    partition.offset, partition.timestamp, partition.leader_epoch
                )
        return found

    async def epoch_ends(
        self, epochs: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, EpochEnd]:
        """Where leader epochs end, as each partition's leader has it; asked once (KIP-320).

        Partitions that must be asked again are left out. A broker that does not know the question
        cannot tell what it lost: it is taken to have all.

        Raises:
            Fatal: a broker refuses for good.
        """
        metadata = self._cluster.metadata
        by_node: dict[int, dict[str, list[OffsetForLeaderPartition]]] = {}
        for (topic, partition), epoch in epochs.items():
            wanted = OffsetForLeaderPartition(
                partition=partition,
                current_leader_epoch=metadata.epoch_of(topic, partition),
                leader_epoch=epoch,
            )
            node_id = metadata.leader_of(topic, partition)
            if node_id >= 0:
                by_node.setdefault(node_id, {}).setdefault(topic, []).append(wanted)
        found: dict[TopicPartition, EpochEnd] = {}
        for node_id, topics in by_node.items():
            request = OffsetForLeaderEpochRequest(
                replica_id=CONSUMER,
                topics=[
                    OffsetForLeaderTopic(topic=name, partitions=each)
                    for name, each in topics.items()
                ],
            )
            try:
                found.update(await self._ask_epochs(node_id, request))
            except UnsupportedApi:
                for name, partitions in topics.items():
                    for one in partitions:
                        place = TopicPartition(name, one.partition)
                        found[place] = EpochEnd(one.leader_epoch, ENDLESS)
        return found

    async def _ask_epochs(
        self, node_id: int, request: OffsetForLeaderEpochRequest
    ) -> dict[TopicPartition, EpochEnd]:
        timeout_ms = self._config.request_timeout_ms
        try:
            connection = await self._cluster.connection_to(node_id, timeout_ms)
            response: OffsetForLeaderEpochResponse = await connection.request(
                request, timeout_ms=timeout_ms
            )
        except (ConnectionFailed, RequestTimedOut) as error:
            self._problem = str(error)
            return {}
        found = {}
        for topic in response.topics:
            for partition in topic.partitions:
                code = error_code(partition.error_code)
                place = TopicPartition(topic.topic, partition.partition)
                if code and not code.retriable:
                    told = words(code, AclOperation.DESCRIBE)
                    raise Fatal(f"{name_of(place)}: {code.name}: {told}", code=code)
                if not code:
                    found[place] = EpochEnd(partition.leader_epoch, partition.end_offset)
        return found

    def _check_exists(self, topic: str, partition: int) -> None:
        known = self._cluster.metadata.topics.get(topic)
        if known is not None and known.leaders and partition not in known.leaders:
            raise Fatal(
                f"{topic} has {len(known.leaders)} partitions, and {partition} is none of them",
                code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            )
