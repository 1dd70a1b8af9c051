"""Places in the cluster, what a group has committed there, what was stored there; values only.

Tests: tests/unit/client/group/test_assignors.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

NO_EPOCH = -1

Mark: TypeAlias = tuple[str | None, int | str | bytes] | int | str | bytes
"""(source, position): how far a source has been read; or the position of the only source."""


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


class GroupOffsets(NamedTuple):
    """Offsets to commit, and who commits them.

    Attributes:
        generation: -1 for partitions that were assigned by hand.
    """

    group_id: str
    generation: int
    member_id: str
    group_instance_id: str | None
    offsets: Mapping[TopicPartition, OffsetAndMetadata]


class RecordMetadata(NamedTuple):
    """The receipt of a stored record.

    Attributes:
        offset: -1 where the broker did not tell: acks=0, or stored by an attempt whose answer
            was lost and that the broker no longer remembers in detail.
        timestamp: ms since 1970; the broker's own on topics with LogAppendTime.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int


def name_of(place: TopicPartition) -> str:
    """TOPIC-PARTITION, as texts show it."""
    return f"{place.topic}-{place.partition}"
