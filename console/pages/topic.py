"""EDGE: one topic: its partitions with what they hold, and its properties.

Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from ...client.admin import ConfigEntry, ConfigResource, ConfigSource, PartitionDescription
from ...client.errors import ClientError
from ...client.partitions import TopicPartition
from ..reading.kafka import Extent
from ..reading.paging import paged
from .visit import Visit, page


@dataclass(frozen=True, slots=True)
class Row:
    """A partition; the size is -1 where no broker tells it."""

    partition: PartitionDescription
    extent: Extent
    size_bytes: int


async def show(visit: Visit) -> Response:
    """Partitions."""
    name = visit.part("topic")
    topic = await visit.kafka.topic(name)
    found = paged(topic.partitions, visit.number("page", 1, 1))
    places = [TopicPartition(name, p.partition) for p in topic.partitions if p.leader >= 0]
    extents, sizes = await asyncio.gather(
        visit.kafka.extents(places), _sizes(visit, places, {p.leader for p in topic.partitions})
    )
    nothing = Extent(0, 0)
    rows = [
        Row(
            each,
            extents.get(TopicPartition(name, each.partition), nothing),
            sizes.get(each.partition, -1),
        )
        for each in found.items
    ]
    return visit.page(
        "topic/partitions.html",
        topic=topic,
        tab="partitions",
        found=found,
        rows=rows,
        records=sum(each.count for each in extents.values()),
        size_bytes=sum(sizes.values()) if sizes else -1,
    )


async def configs(visit: Visit) -> Response:
    """Properties; those that somebody has set first."""
    name = visit.part("topic")
    topic = await visit.kafka.topic(name)
    entries = await visit.kafka.describe_configs(
        ConfigResource.topic(name), include_documentation=True
    )
    rows = sorted(entries.values(), key=lambda each: (not _is_set(each), each.name))
    return visit.page("topic/configs.html", topic=topic, tab="configs", rows=rows, is_set=_is_set)


async def _sizes(visit: Visit, places: list[TopicPartition], leaders: set[int]) -> dict[int, int]:
    """Bytes of each partition at its leader; empty where that is not told."""
    found: dict[int, int] = {}
    for node_id in sorted(leaders - {-1}):
        try:
            directories = await visit.kafka.describe_log_dirs(node_id, places)
        except ClientError:
            return {}  # it takes a right on the cluster that a reader of topics may not have
        for directory in directories.values():
            for each in directory.replicas:
                found[each.partition] = max(found.get(each.partition, 0), each.size_bytes)
    return found


def _is_set(entry: ConfigEntry) -> bool:
    return entry.source is ConfigSource.DYNAMIC_TOPIC_CONFIG


ROUTES = (page("/topics/{topic}", show), page("/topics/{topic}/configs", configs))
