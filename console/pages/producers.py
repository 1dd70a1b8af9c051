"""EDGE: producers: of each its epoch and its window, and what a retry of each batch would get.

A minibroker tells the windows themselves; any other Kafka what DescribeProducers tells (KIP-664):
the newest sequence, and where its open transaction began.
Tests: tests/system/console/test_producers.py
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from ...client.admin import ProducerDescription
from ...client.partitions import TopicPartition
from ...protocol.messages.describe_producer_windows import ProducerWindow
from ..reading.kafka import Kafka
from ..reading.ours import windows
from ..showing.windows import Box
from .visit import PARTITION_MAX, Visit, page

COUNT_MAX = 50
PARTITIONS_MAX = 100  # asked at once where a broker tells of partitions only


@dataclass(frozen=True, slots=True)
class Row:
    """A producer in a partition, as our broker tells."""

    producer: ProducerWindow

    @property
    def boxes(self) -> list[Box]:
        """Its window, to be drawn."""
        return [
            Box(each.first_sequence, each.last_sequence, each.base_offset)
            for each in self.producer.batches
        ]


async def show(visit: Visit) -> Response:
    """The producers of a topic, or of all where the broker is ours."""
    topic = visit.asked("topic").strip() or None
    partition = visit.number("partition", -1, -1, PARTITION_MAX)
    producer_id = visit.number("id", -1, -1)
    answer = await windows(visit.kafka, topic, partition, producer_id, COUNT_MAX)
    known: list[tuple[TopicPartition, ProducerDescription]] = []
    total = 0 if answer is None else answer.total_count
    if answer is None and topic is not None:
        known = await _known(visit.kafka, topic, partition, producer_id)
        total, known = len(known), known[:COUNT_MAX]
    template = "part/producer_rows.html" if visit.is_fragment else "producers.html"
    return visit.page(
        template,
        is_ours=answer is not None,
        rows=[] if answer is None else [Row(each) for each in answer.producers],
        known=known,
        total=total,
        topic=topic or "",
        partition=partition,
        producer_id=producer_id,
    )


async def _known(
    kafka: Kafka, topic: str, partition: int, producer_id: int
) -> list[tuple[TopicPartition, ProducerDescription]]:
    description = await kafka.topic(topic)
    places = [
        TopicPartition(topic, each.partition)
        for each in description.partitions
        if partition in (-1, each.partition) and each.leader >= 0
    ]
    if not places:
        raise ValueError(f"{topic} has no partition {partition}")
    found = await kafka.describe_producers(places[:PARTITIONS_MAX])
    rows = [
        (place, each)
        for place, producers in found.items()
        for each in producers
        if producer_id in (-1, each.producer_id)
    ]
    return sorted(rows, key=lambda row: -row[1].last_timestamp)


ROUTES = (page("/producers", show),)
