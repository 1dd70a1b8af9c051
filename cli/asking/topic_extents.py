"""EDGE: what `topics describe` tells of each partition beyond its metadata: offsets and size.

Sizes come from DescribeLogDirs, of the leader; a broker that does not tell them shows none.
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...client.admin import Admin
from ...client.cluster.connection import Connection, UnsupportedApi
from ...client.cluster.list_offsets import EARLIEST, LATEST
from ...client.partitions import TopicPartition
from ...protocol.configs import ResourceType
from ...protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from ...protocol.messages.metadata import MetadataResponseTopic
from ..terminal.addresses import Address, server_names
from .admin import ask_for


class Extent(NamedTuple):
    """From where to where a partition reaches, and its bytes on the leader's disk.

    Attributes:
        start_offset: of the first record, inclusive.        end_offset: of the next one.
        size_bytes: None where the broker does not tell.
    """

    start_offset: int | None
    end_offset: int | None
    size_bytes: int | None


async def extents_of(
    connection: Connection, servers: list[Address], topics: Sequence[MetadataResponseTopic]
) -> dict[TopicPartition, Extent]:
    """The extent of every partition; one without a leader has none."""
    led = {
        TopicPartition(topic.name or "", each.partition_index): each.leader_id
        for topic in topics
        for each in topic.partitions
        if each.leader_id >= 0
    }
    async with Admin(server_names(servers)) as admin:
        starts = await admin.list_offsets(dict.fromkeys(led, EARLIEST))
        ends = await admin.list_offsets(dict.fromkeys(led, LATEST))
    sizes: dict[TopicPartition, int] = {}
    for node_id in sorted({*led.values()}):
        here = [place for place, leader in led.items() if leader == node_id]
        sizes.update(await _sizes(connection, node_id, here))
    places = (
        TopicPartition(topic.name or "", each.partition_index)
        for topic in topics
        for each in topic.partitions
    )
    return {
        place: Extent(
            starts[place].offset if place in starts else None,
            ends[place].offset if place in ends else None,
            sizes.get(place),
        )
        for place in places
    }


async def _sizes(
    connection: Connection, node_id: int, places: list[TopicPartition]
) -> dict[TopicPartition, int]:
    by_topic: dict[str, list[int]] = {}
    for place in places:
        by_topic.setdefault(place.topic, []).append(place.partition)
    wanted = [
        DescribableLogDirTopic(topic=name, partitions=each) for name, each in by_topic.items()
    ]
    try:
        response = await ask_for(
            connection, ResourceType.BROKER, str(node_id), DescribeLogDirsRequest(topics=wanted)
        )
    except UnsupportedApi:
        return {}
    return {
        TopicPartition(topic.name, each.partition_index): each.partition_size
        for result in response.results
        for topic in result.topics
        for each in topic.partitions
        if not each.is_future_key
    }
