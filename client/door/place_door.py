"""The part of the door (door.py) that partitions and offsets come through.

Tests: tests/system/client/test_client_door.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..partitions import NO_EPOCH, OffsetAndMetadata, TopicPartition
from .door import LONG_MAX, listed, mapping, shown, text, whole

T = TypeVar("T")


def place(name: str, value: object) -> TopicPartition:
    """A partition of a topic: TopicPartition, or any pair of that kind."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{name} must be a TopicPartition, not {shown(value)}")
    return TopicPartition(
        text(f"the topic of {name}", value[0]), whole(f"the partition of {name}", value[1])
    )


def places(name: str, value: object) -> tuple[TopicPartition, ...]:
    """Several partitions."""
    return tuple(
        place(f"each of {name}", each) for each in listed(name, value, "of TopicPartition")
    )


def by_place(name: str, value: object, take: Callable[[str, object], T]) -> dict[TopicPartition, T]:
    """A mapping of partitions to what `take` accepts."""
    return {
        place(f"a partition in {name}", key): take(f"{name}[{_name_of(key)}]", each)
        for key, each in mapping(name, value).items()
    }


def committable(name: str, value: object) -> OffsetAndMetadata:
    """What a group may commit: an offset, or one with metadata."""
    if not isinstance(value, tuple):
        return OffsetAndMetadata(whole(name, value, 0, LONG_MAX))
    if not 1 <= len(value) <= 3:
        raise TypeError(f"{name} must be an offset or OffsetAndMetadata, not {shown(value)}")
    given: Sequence[object] = (*value, *OffsetAndMetadata(0)[len(value) :])
    offset, metadata, epoch = given
    return OffsetAndMetadata(
        whole(f"the offset of {name}", offset, 0, LONG_MAX),
        text(f"the metadata of {name}", metadata),
        whole(f"the leader_epoch of {name}", epoch, NO_EPOCH),
    )


def _name_of(key: object) -> str:
    is_pair = isinstance(key, tuple) and len(key) == 2
    return f"{key[0]}-{key[1]}" if is_pair else repr(key)  # type: ignore[index]
