"""What two Kafkas say of themselves: which differences count, and which are by design."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from minibroker.cli.comparing.described import (
    configs_apart,
    is_of_users,
    positions_apart,
    topics_apart,
)
from minibroker.cli.comparing.side import Committed
from minibroker.client import OffsetAndMetadata, TopicPartition
from minibroker.client.admin import PartitionDescription, TopicDescription

PLACE = TopicPartition("t", 0)


def topic(name: str, count: int = 1, *, is_internal: bool = False) -> TopicDescription:
    partitions = tuple(PartitionDescription(index, 1, 0, (1,), (1,)) for index in range(count))
    return TopicDescription(name, bytes(16), is_internal, partitions)


@pytest.mark.parametrize(
    ("name", "is_theirs"),
    [
        ("orders", True),
        ("mm2-configs.a.internal", False),
        ("heartbeats", False),
        ("a.checkpoints.internal", False),
        ("a.heartbeats", False),
        ("mm2-offset-syncs.a.internal", False),
        ("__consumer_offsets", False),
        ("__schemas", True),
        ("internal", True),
        ("device-heartbeats", True),
        ("mm2-notes", True),
    ],
)
def test_topics_of_users(name: str, is_theirs: bool) -> None:
    assert is_of_users(topic(name)) is is_theirs
    assert not is_of_users(topic(name, is_internal=True))


def test_topics_and_partitions() -> None:
    a = {each.name: each for each in (topic("x"), topic("y", 2), topic("z"))}
    b = {each.name: each for each in (topic("y", 3), topic("z"))}
    found = [(str(e.kind), e.topic, e.a, e.b) for e in topics_apart(a, b)]
    assert found == [("topic", "x", "there", None), ("partitions", "y", "2", "3")]


def test_what_was_given_to_a_topic_is_compared_with_what_is_in_force() -> None:
    a = {
        "retention.ms": ("1", True),
        "segment.ms": ("5", True),  # the default of the other side
        "max.message.bytes": ("7", False),
        "min.insync.replicas": ("1", False),
        "message.timestamp.type": ("LogAppendTime", True),
    }
    b = {
        "retention.ms": ("2", False),
        "segment.ms": ("5", False),
        "max.message.bytes": ("8", False),
        "min.insync.replicas": ("2", True),
        "message.timestamp.type": ("CreateTime", False),
        "only.there": ("x", True),
    }
    found = {
        e.name: (e.a, e.b, bool(e.by_design)) for e in configs_apart("t", a, b, is_mirror=False)
    }
    assert found == {
        "retention.ms": ("1", "2", False),
        "min.insync.replicas": ("1", "2", True),
        "message.timestamp.type": ("LogAppendTime", "CreateTime", False),
        "only.there": (None, "x", False),
    }
    mirrored = {e.name for e in configs_apart("t", a, b, is_mirror=True) if not e.by_design}
    assert mirrored == {"retention.ms", "only.there"}


def committed(
    *offsets: int, metadata: str = "", is_at_work: bool = False
) -> Mapping[str, Committed]:
    rows = {
        TopicPartition("t", index): OffsetAndMetadata(offset, metadata)
        for index, offset in enumerate(offsets)
    }
    return {"g": Committed(rows, is_at_work)}


def test_positions() -> None:
    def same(place: TopicPartition, a: int, b: int) -> bool:
        return a == b

    def found(a: Mapping[str, Committed], b: Mapping[str, Committed]) -> list[tuple[object, ...]]:
        rows = positions_apart(a, b, ["t"], same)
        return [(e.partition, e.name, e.a, e.b, bool(e.by_design)) for e in rows]

    assert found(committed(3, 4), committed(3, 4)) == []
    assert found(committed(3, 4), committed(3, 5)) == [(1, "g", "4", "5", False)]
    assert found(committed(3, 4), committed(3)) == [(1, "g", "4", None, False)]
    assert found({}, committed(3)) == [(0, "g", None, "3", False)]
    assert found(committed(3, metadata="m"), committed(3)) == [(0, "g", "3 m", "3", False)]
    assert found(committed(3), committed(4, is_at_work=True)) == [(0, "g", "3", "4", True)]
    assert [*positions_apart(committed(3), {}, ["u"], same)] == []
