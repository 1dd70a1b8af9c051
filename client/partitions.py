"""Names for a place in the cluster and for what a group has committed there; values only."""

from __future__ import annotations

from typing import NamedTuple

NO_EPOCH = -1


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class OffsetAndMetadata(NamedTuple):
    """What a group commits for a partition.

    Attributes:
        offset: of the next record to read.
        metadata: any text of the application, up to offset.metadata.max.bytes of the broker.
        leader_epoch: of the last record read, by which truncation is noticed; -1 if not known.
    """

    offset: int
    metadata: str = ""
    leader_epoch: int = NO_EPOCH


def name_of(place: TopicPartition) -> str:
    """TOPIC-PARTITION, as texts show it."""
    return f"{place.topic}-{place.partition}"
