"""EDGE: Admin's calls about the brokers: who they are, and what lies in their directories.

Tests: tests/system/client/test_client_administer.py
"""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.acls import AclOperation
from ...protocol.errors import error_code
from ...protocol.messages.describe_cluster import (
    DESCRIBE_CLUSTER,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from ...protocol.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
)
from ...protocol.messages.metadata import MetadataRequest, MetadataResponse
from ..cluster.connection import Connection
from ..cluster.coordinator import version_max
from ..door import door, place_door
from ..group.assignors import by_topic
from ..partitions import TopicPartition
from .asking import Asking, check
from .results import BrokerNode, ClusterDescription, LogDirDescription, ReplicaDescription


class Brokers:
    """The brokers of a cluster and their data directories."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def describe_cluster(self) -> ClusterDescription:
        """The brokers and the controller."""

        async def ask() -> ClusterDescription:
            connection = await self._asking.anywhere()
            if version_max(connection, DESCRIBE_CLUSTER.key) < 0:
                return await self._described_by_metadata(connection)
            answer: DescribeClusterResponse = await self._asking.request(
                connection, DescribeClusterRequest()
            )
            what, needed = "describe the cluster", AclOperation.DESCRIBE
            check(answer.error_code, what, answer.error_message, needed)
            nodes = (BrokerNode(e.broker_id, e.host, e.port, e.rack) for e in answer.brokers)
            return _cluster(answer.cluster_id, answer.controller_id, nodes)

        return await self._asking.persist("describe the cluster", ask)

    async def _described_by_metadata(self, connection: Connection) -> ClusterDescription:
        """What brokers before KIP-700 (Kafka 2.8) tell of it."""
        answer: MetadataResponse = await self._asking.request(
            connection, MetadataRequest(topics=[])
        )
        nodes = (BrokerNode(e.node_id, e.host, e.port, e.rack) for e in answer.brokers)
        return _cluster(answer.cluster_id or "", answer.controller_id, nodes)

    async def describe_log_dirs(
        self, node_id: int, partitions: Iterable[TopicPartition] | None
    ) -> dict[str, LogDirDescription]:
        """The data directories of one broker, by path."""
        door.whole("node_id", node_id)
        topics = None
        if partitions is not None:
            topics = [
                DescribableLogDirTopic(topic=each.topic, partitions=each.partitions)
                for each in by_topic(place_door.places("partitions", partitions))
            ]

        async def ask() -> dict[str, LogDirDescription]:
            answer: DescribeLogDirsResponse = await self._asking.request(
                await self._asking.node(node_id), DescribeLogDirsRequest(topics=topics)
            )
            what, needed = f"the directories of node {node_id}", AclOperation.DESCRIBE
            check(answer.error_code, what, None, needed)
            return {each.log_dir: _log_dir(each) for each in answer.results}

        return await self._asking.persist(f"describe the directories of node {node_id}", ask)


def _cluster(
    cluster_id: str, controller_id: int, nodes: Iterable[BrokerNode]
) -> ClusterDescription:
    brokers = tuple(sorted(nodes, key=lambda each: each.node_id))
    return ClusterDescription(cluster_id, controller_id, brokers)


def _log_dir(result: DescribeLogDirsResult) -> LogDirDescription:
    replicas = [
        ReplicaDescription(
            topic=topic.name,
            partition=each.partition_index,
            size_bytes=each.partition_size,
            offset_lag=each.offset_lag,
            is_future=each.is_future_key,
        )
        for topic in result.topics
        for each in topic.partitions
    ]
    return LogDirDescription(
        path=result.log_dir,
        error=error_code(result.error_code),
        total_bytes=result.total_bytes,
        usable_bytes=result.usable_bytes,
        replicas=tuple(sorted(replicas, key=lambda each: (each.topic, each.partition))),
    )
