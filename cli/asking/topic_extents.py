"""EDGE: what `topics describe` tells of each partition beyond its metadata: offsets and size.

Sizes come from DescribeLogDirs, of the leader; a broker that does not tell them shows none.
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...client.admin import Admin, TopicDescription
from ...client.cluster.list_offsets import EARLIEST, LATEST
from ...client.errors import UnsupportedApi
from ...client.partitions import TopicPartition


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
    admin: Admin, topics: Iterable[TopicDescription]
) -> dict[TopicPartition, Extent]:
    """The extent of every partition; one without a leader has none."""
    leaders = {
        TopicPartition(topic.name, each.partition): each.leader
        for topic in topics
        for each in topic.partitions
    }
    led = [place for place, leader in leaders.items() if leader >= 0]
    starts = await admin.list_offsets(dict.fromkeys(led, EARLIEST))
    ends = await admin.list_offsets(dict.fromkeys(led, LATEST))
    sizes: dict[TopicPartition, int] = {}
    for node_id in sorted({leaders[place] for place in led}):
        here = [place for place in led if leaders[place] == node_id]
        sizes.update(await _sizes(admin, node_id, here))
    return {
        place: Extent(
            starts[place].offset if place in starts else None,
            ends[place].offset if place in ends else None,
            sizes.get(place),
        )
        for place in leaders
    }


async def _sizes(
    admin: Admin, node_id: int, places: list[TopicPartition]
) -> dict[TopicPartition, int]:
    try:
        directories = await admin.describe_log_dirs(node_id, places)
    except UnsupportedApi:
        return {}
    return {
        TopicPartition(each.topic, each.partition): each.size_bytes
        for directory in directories.values()
        for each in directory.replicas
        if not each.is_future
    }
