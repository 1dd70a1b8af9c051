"""EDGE: the topics, some at a time.

Records and sizes are asked for only of those that are shown.
Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from ...client.admin import TopicDescription
from ...client.errors import ClientError
from ...client.partitions import TopicPartition
from ..reading.paging import Paged, paged
from .visit import Visit, page

PLACES_MAX = 2_000  # partitions whose ends are asked for on one page


@dataclass(frozen=True, slots=True)
class Row:
    """A topic in the list; records -1 where they were not asked for."""

    topic: TopicDescription
    records: int

    @property
    def replicas(self) -> int:
        """Of its first partition."""
        return len(self.topic.partitions[0].replicas) if self.topic.partitions else 0

    @property
    def is_whole(self) -> bool:
        """Whether all partitions have leaders, and all replicas are in sync."""
        return all(p.leader >= 0 and len(p.isr) >= len(p.replicas) for p in self.topic.partitions)


async def show(visit: Visit) -> Response:
    """The list; only its rows where a search box asks."""
    topics = await visit.kafka.all_topics()
    wanted, internal = visit.asked("q").lower(), visit.asked("internal") == "1"
    names = sorted(
        name
        for name, each in topics.items()
        if wanted in name.lower() and (internal or not each.is_internal)
    )
    found = paged(names, visit.number("page", 1, 1))
    rows = await _rows(visit, found, topics)
    template = "part/topic_rows.html" if visit.is_fragment else "topics.html"
    return visit.page(template, found=found, rows=rows, q=visit.asked("q"), internal=internal)


async def _rows(visit: Visit, found: Paged[str], topics: dict[str, TopicDescription]) -> list[Row]:
    shown = [topics[name] for name in found.items]
    places = [
        TopicPartition(each.name, p.partition)
        for each in shown
        for p in each.partitions
        if p.leader >= 0
    ]
    counts: dict[str, int] = {}
    if len(places) <= PLACES_MAX:
        try:
            for place, extent in (await visit.kafka.extents(places)).items():
                counts[place.topic] = counts.get(place.topic, 0) + extent.count
        except ClientError:
            counts = {}  # one may not be read, or was just deleted: the list stands without counts
    return [Row(each, counts.get(each.name, -1)) for each in shown]


ROUTES = (page("/topics", show),)
