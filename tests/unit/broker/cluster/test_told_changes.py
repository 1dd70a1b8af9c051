"""What the broker tells the operator of: topics, configs, groups, a disk that refuses."""

from __future__ import annotations

from minibroker.broker.cluster.metadata import ClusterMetadata, Topic, topic_record
from minibroker.broker.cluster.records import (
    BrokerConfigRecord,
    MetadataRecord,
    PartitionsRecord,
    ProducerIdsRecord,
    RemovedRecord,
    StartedRecord,
    TopicConfigRecord,
    TopicDeletedRecord,
)
from minibroker.broker.cluster.told_changes import TOLD_MAX, told_changes
from minibroker.broker.directory.storage_trouble import StorageTrouble
from minibroker.broker.log_lines import Line


def topic(number: int, **overrides: str) -> Topic:
    return Topic(f"t{number}", number.to_bytes(16, "big"), 2, dict(overrides))


def state_of(*topics: Topic) -> ClusterMetadata:
    state = ClusterMetadata()
    for each in topics:
        state.apply(topic_record(each))
    return state


def test_a_topics_life_is_told() -> None:
    one = topic(1, **{"retention.ms": "5"})
    state = state_of(one)
    records: list[MetadataRecord] = [
        topic_record(topic(2)),
        PartitionsRecord(one.topic_id, 6),
        TopicConfigRecord(one.topic_id, {"cleanup.policy": "delete"}),
        BrokerConfigRecord("", {"log.retention.ms": "9"}),
        TopicDeletedRecord(one.topic_id),
    ]
    assert list(map(str, told_changes(records, state))) == [
        "event=topic-created topic=t2 partitions=2",
        "event=topic-grew topic=t1 partitions=6 before=2",
        'event=topic-altered topic=t1 changed="cleanup.policy=delete, retention.ms deleted"',
        'event=broker-altered broker=all changed="log.retention.ms=9"',
        "event=topic-deleted topic=t1 partitions=2",
    ]


def test_what_nobody_asked_for_is_not_told() -> None:
    records: list[MetadataRecord] = [
        StartedRecord(2),
        ProducerIdsRecord(5),
        RemovedRecord(topic(1).topic_id, {0: 5}),
    ]
    assert told_changes(records, state_of(topic(1))) == []


def test_thousands_of_topics_at_once_take_a_few_lines() -> None:
    told = told_changes([topic_record(topic(each)) for each in range(1, 5_001)], state_of())
    assert len(told) == TOLD_MAX + 1
    assert str(told[-1]) == "event=and-more of=topic-created count=4980"


def test_a_full_disk_is_told_when_it_begins_once_a_second_and_when_it_ends() -> None:
    said: list[Line] = []
    trouble = StorageTrouble(said.append)
    for at_ms in range(0, 2_500, 100):
        trouble.refused("t-0", "No space left on device", 10_000 + at_ms)
    assert trouble.is_on
    trouble.written(13_000)
    trouble.written(13_001)
    assert not trouble.is_on
    assert list(map(str, said)) == [
        'event=storage-refuses what=t-0 why="No space left on device"',
        'event=storage-refuses what=t-0 why="No space left on device" left_out=9',
        'event=storage-refuses what=t-0 why="No space left on device" left_out=9',
        "event=storage-writes-again refused=25 lasted_ms=3000",
    ]
