"""EDGE: which rights are missing to whoever asks, as both clusters tell (authorized_operations).

What is asked for is what `graduate` and MirrorMaker need, under the same user: they have the same
properties. Rights to make topics are asked by the request that makes them (looking.py); a cluster
tells nothing of groups that are not there, nor of transactional ids.
Source: KIP-430.
Tests: tests/system/rights/test_graduate_rights.py
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ...client.cluster.connection import Connection
from ...client.cluster.coordinator import version_max
from ...protocol.acls import AclOperation
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.messages.describe_cluster import (
    DESCRIBE_CLUSTER,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from ...protocol.messages.metadata import (
    METADATA,
    OPERATIONS_NOT_ASKED,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
)
from ..comparing.side import Side

TOLD_SINCE: Final = 8  # of Metadata
ON_OLD: Final = (AclOperation.READ, AclOperation.DESCRIBE_CONFIGS)
ON_NEW: Final = (
    *(AclOperation.READ, AclOperation.WRITE, AclOperation.ALTER),
    *(AclOperation.DESCRIBE_CONFIGS, AclOperation.ALTER_CONFIGS),
)
# Who has all of these on the cluster is most likely one from whom nothing is hidden.
OF_ADMINISTRATORS: Final = (
    AclOperation.DESCRIBE,
    AclOperation.ALTER,
    AclOperation.CLUSTER_ACTION,
)
NAMED_MAX: Final = 5


async def missing_rights(
    old: Side, new: Side, topics: Collection[str], there: Collection[str]
) -> list[str]:
    """What is missing, in words; empty also where a cluster does not tell.

    Args:
        topics: to be mirrored.
        there: of these, those that the new cluster has.
    """
    said: list[str] = []
    for side, names, needed in ((old, topics, ON_OLD), (new, there, ON_NEW)):
        operations = await _on_topics(side, names)
        for each in needed:
            without = sorted(name for name, bits in operations.items() if not _has(bits, each))
            if without:
                more = f" and {len(without) - NAMED_MAX} more" if len(without) > NAMED_MAX else ""
                named = ", ".join(without[:NAMED_MAX])
                said.append(f"{each.name.title()} on {named}{more} of the {side.label} cluster")
    return said


async def sees_all(side: Side) -> bool:
    """Whether it is likely that nothing is hidden from whoever asks."""
    connection = await side.asking.anywhere()
    if version_max(connection, DESCRIBE_CLUSTER.key) < 0:
        return True
    request = DescribeClusterRequest(include_cluster_authorized_operations=True)
    answer: DescribeClusterResponse = await side.asking.request(connection, request)
    bits = answer.cluster_authorized_operations
    return bits == OPERATIONS_NOT_ASKED or all(_has(bits, each) for each in OF_ADMINISTRATORS)


async def _on_topics(side: Side, names: Iterable[str]) -> Mapping[str, int]:
    async def ask() -> MetadataResponse | None:
        connection: Connection = await side.asking.anywhere()
        if version_max(connection, METADATA.key) < TOLD_SINCE:
            return None
        request = MetadataRequest(
            topics=[MetadataRequestTopic(topic_id=ZERO_UUID, name=name) for name in names],
            allow_auto_topic_creation=False,
            include_topic_authorized_operations=True,
        )
        answer: MetadataResponse = await side.asking.request(connection, request)
        return answer

    answer = await side.asking.persist("look which rights there are", ask)
    if answer is None:
        return {}
    return {
        each.name or "": each.topic_authorized_operations
        for each in answer.topics
        if each.topic_authorized_operations != OPERATIONS_NOT_ASKED
    }


def _has(bits: int, operation: AclOperation) -> bool:
    return bool(bits >> operation & 1)
