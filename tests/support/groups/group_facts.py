"""EDGE: what a broker says of a group, for blocking tests: one connection a call."""

from __future__ import annotations

from typing import NamedTuple

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.describe_groups import DescribeGroupsRequest
from minibroker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
)


class GroupFacts(NamedTuple):
    """State as DescribeGroups names it; member ids ascending."""

    state: str
    members: tuple[str, ...]


async def describe_group(port: int, group_id: str) -> GroupFacts:
    """One group."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        answer = await connection.request(DescribeGroupsRequest(groups=[group_id]))
    finally:
        await connection.close()
    (group,) = answer.groups
    assert not group.error_code, group
    return GroupFacts(group.group_state, tuple(sorted(each.member_id for each in group.members)))


async def committed_offsets(port: int, group_id: str) -> dict[tuple[str, int], int]:
    """Every committed offset of a group by topic and partition."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        asked = OffsetFetchRequestGroup(group_id=group_id, topics=None)
        answer = await connection.request(OffsetFetchRequest(groups=[asked]))
    finally:
        await connection.close()
    (group,) = answer.groups
    assert not group.error_code, group
    return {
        (topic.name, each.partition_index): each.committed_offset
        for topic in group.topics
        for each in topic.partitions
    }
