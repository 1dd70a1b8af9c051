"""EDGE: many groups in few requests: members, and what is committed.

1. a list shows 25 groups   2. each is asked for by itself, four requests a group   3. a producer
waits behind a hundred of them. Brokers of any age now take many groups in one (KIP-699, KIP-709);
what cannot be told so is left out, and can be asked for by itself.
Tests: tests/system/console/test_groups.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...client.cluster.coordinator import SEVERAL_KEYS_SINCE, Coordinated, version_max
from ...client.cluster.offsets_wire import SEVERAL_GROUPS_SINCE
from ...client.errors import ClientError
from ...client.partitions import TopicPartition
from ...protocol.messages.describe_groups import DescribeGroupsRequest
from ...protocol.messages.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from ...protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponseGroup,
)
from .kafka import Kafka


class Told(NamedTuple):
    """How many members a group has, and what it has committed."""

    members: int
    committed: dict[TopicPartition, int]


async def told_together(kafka: Kafka, group_ids: Sequence[str]) -> dict[str, Told]:
    """Groups by name; those are left out that the brokers do not tell so, or not to this user."""
    found: dict[str, Told] = {}
    try:
        for node_id, ids in (await _by_coordinator(kafka, group_ids)).items():
            found |= await _of_one_node(kafka, node_id, ids)
    except ClientError:
        return {}  # each is asked for by itself then, and says what is wrong with it
    return found


async def _by_coordinator(kafka: Kafka, group_ids: Sequence[str]) -> dict[int, list[str]]:
    brokers = (await kafka.cluster()).brokers
    if len(brokers) == 1:
        return {brokers[0].node_id: [*group_ids]}
    connection = await kafka.connection()
    if version_max(connection, FIND_COORDINATOR.key) < SEVERAL_KEYS_SINCE:
        return {}
    wanted = FindCoordinatorRequest(coordinator_keys=[*group_ids], key_type=Coordinated.GROUP)
    by_node: dict[int, list[str]] = {}
    for each in (await kafka.ask(connection, wanted)).coordinators:
        if not each.error_code:
            by_node.setdefault(each.node_id, []).append(each.key)
    return by_node


async def _of_one_node(kafka: Kafka, node_id: int, ids: list[str]) -> dict[str, Told]:
    connection = await kafka.connection(node_id)
    if version_max(connection, OFFSET_FETCH.key) < SEVERAL_GROUPS_SINCE:
        return {}
    described = await kafka.ask(connection, DescribeGroupsRequest(groups=ids))
    members = {e.group_id: len(e.members) for e in described.groups if not e.error_code}
    groups = [OffsetFetchRequestGroup(group_id=each, topics=None) for each in ids]
    fetched = await kafka.ask(connection, OffsetFetchRequest(groups=groups))
    return {
        each.group_id: Told(members[each.group_id], _committed(each))
        for each in fetched.groups
        if not each.error_code and each.group_id in members
    }


def _committed(group: OffsetFetchResponseGroup) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic.name, each.partition_index): each.committed_offset
        for topic in group.topics
        for each in topic.partitions
        if each.committed_offset >= 0
    }
