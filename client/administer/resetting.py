"""Where a reset of a group's offsets leads, as kafka-consumer-groups decides it. Pure.

Every new offset lies inside its partition: before the first record, or behind the last, nobody
could read on.
Source: ConsumerGroupCommand.java, OffsetsUtils.java.
Tests: tests/unit/client/administer/test_resetting.py
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..partitions import TopicPartition, name_of

NOT_FOUND = -1


class Goal(StrEnum):
    """Where a reset leads."""

    EARLIEST = "earliest"
    LATEST = "latest"
    CURRENT = "current"
    OFFSET = "offset"
    SHIFT = "shift"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Known:
    """One partition as it is.

    Attributes:
        committed: by the group; None where nothing is.
        start, end: of what the partition holds: from `start` to before `end`.
        since: the first offset at or after the time asked for; NOT_FOUND if all is older.
    """

    committed: int | None
    start: int
    end: int
    since: int = NOT_FOUND


def new_offset(place: TopicPartition, known: Known, goal: Goal, by: int = 0) -> int:
    """The offset that a reset sets in a partition.

    Args:
        by: the offset, or how far to shift, where the goal needs it.
    Raises: ValueError: there is nothing to shift.
    """
    return min(max(_wanted(place, known, goal, by), known.start), known.end)


def _wanted(place: TopicPartition, known: Known, goal: Goal, by: int) -> int:
    match goal:
        case Goal.EARLIEST:
            return known.start
        case Goal.LATEST:
            return known.end
        case Goal.OFFSET:
            return by
        case Goal.TIME:
            return known.since if known.since >= 0 else known.end
        case Goal.CURRENT:
            return known.end if known.committed is None else known.committed
        case Goal.SHIFT:
            if known.committed is None:
                raise ValueError(f"{name_of(place)} has no committed offset to shift")
            return known.committed + by
