"""A pass over partitions while topics come and go, and what is left out beyond the bounds."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.metrics import groups, partitions
from minibroker.broker.metrics.family import Family, Sample
from minibroker.broker.metrics.groups import GroupsPass
from minibroker.broker.metrics.partitions import CURRENT_OFFSET, MESSAGES_IN, Pass
from minibroker.broker.runtime import RealClock
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.waiting.long_work import finished
from minibroker.broker.world import World
from minibroker.protocol.batch.writing import build_batch

NOW_MS = 1_700_000_000_000


@pytest.fixture
def broker() -> Broker:
    hooks = Hooks(lambda: None, lambda: None, lambda: None, lambda line: None)
    world = World(RealClock(), MemoryStorage(), Random(1))
    return Broker(BrokerConfig.of({"durability": "memory"}), [], world, hooks)


def create(broker: Broker, name: str, count: int = 1) -> None:
    topic = broker.plan_topic(NewTopic(name, partition_count=count))
    assert isinstance(topic, Topic)
    broker.create_topics([topic])


def store(broker: Broker, name: str, count: int, index: int = 0) -> None:
    partition = broker.partition(name, index)
    assert partition is not None
    partition.produce(build_batch([(None, b"x", (), NOW_MS)] * count), NOW_MS)


def of(found: Pass | GroupsPass, family: Family) -> dict[tuple[str, ...], float]:
    (told,) = [told for each, told in found.series() if each is family]
    return {sample.labels: sample.value for sample in told if isinstance(sample, Sample)}


@pytest.mark.parametrize("steps_before", [0, 1, 2])
def test_a_topic_deleted_during_the_pass_is_counted_once(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, steps_before: int
) -> None:
    monkeypatch.setattr(partitions, "PARTITIONS_A_STEP", 1)
    for name, count in (("a", 1), ("b", 10), ("c", 100)):
        create(broker, name)
        store(broker, name, count)
    found = Pass(broker)
    steps = found.look()
    for _ in range(steps_before):
        next(steps)
    finished(broker.delete_topics(["b"]))
    finished(steps)
    assert of(found, MESSAGES_IN)[()] == 111
    after = Pass(broker)
    finished(after.look())
    assert of(after, MESSAGES_IN) == {(): 111, ("a",): 1, ("c",): 100}


def test_a_topic_made_anew_during_the_pass_is_told_once(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "PARTITIONS_A_STEP", 1)
    create(broker, "a")
    create(broker, "b")
    found = Pass(broker)
    steps = found.look()
    next(steps)
    finished(broker.delete_topics(["a"]))
    create(broker, "a", 2)
    finished(steps)
    assert list(of(found, CURRENT_OFFSET)) == [("a", "0"), ("b", "0")]
    assert len(found.columns) == 2


def test_what_was_never_written_is_told_as_empty(broker: Broker) -> None:
    create(broker, "a", 3)
    store(broker, "a", 5, index=1)
    found = Pass(broker)
    finished(found.look())
    assert of(found, CURRENT_OFFSET) == {("a", "0"): 0, ("a", "1"): 5, ("a", "2"): 0}


def test_beyond_the_bound_whole_topics_are_left_out_and_sums_are_not(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "METRICS_PARTITIONS_MAX", 3)
    for name, count in (("a", 2), ("b", 2), ("c", 1)):
        create(broker, name, count)
        store(broker, name, 1)
    found = Pass(broker)
    finished(found.look())
    assert of(found, MESSAGES_IN) == {(): 3, ("a",): 1, ("c",): 1}
    assert found.partition_count - len(found.columns) == 2


def commit(broker: Broker, group_id: str, topic: str, offsets: dict[int, int]) -> None:
    values = [
        (topic, index, OffsetCommitValue(offset=offset, metadata="", commit_timestamp=0))
        for index, offset in offsets.items()
    ]
    broker.groups.offsets.commit(group_id, values)


def test_groups_beyond_the_bounds_are_left_out_and_counted(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "METRICS_GROUP_OFFSETS_MAX", 3)
    monkeypatch.setattr(groups, "METRICS_GROUPS_MAX", 3)
    create(broker, "a", 2)
    store(broker, "a", 9)
    commit(broker, "g" * 250, "a", {0: 1})  # a name for which no line is wide enough
    commit(broker, "one", "a", {0: 4, 1: 0})
    commit(broker, "two", "a", {0: 4, 1: 0})
    commit(broker, "three", "a", {0: 100})
    commit(broker, "four", "a", {0: 1})
    found = GroupsPass(broker)
    finished(found.look())
    lags = of(found, groups.LAG)
    assert lags == {("one", "a", "0"): 5, ("one", "a", "1"): 0, ("three", "a", "0"): 0}
    assert of(found, groups.LAG_SUM) == {("one", "a"): 5, ("three", "a"): 0}
    assert of(found, groups.MEMBERS) == {("one",): 0, ("two",): 0, ("three",): 0}
    assert (found.left_out_groups, found.left_out_offsets) == (2, 4)
    assert of(found, groups.OFFSETS) == {(): 7}
    assert of(found, groups.GROUPS) == {(): 5}


def test_of_a_deleted_topic_a_group_has_offsets_and_no_lag(broker: Broker) -> None:
    create(broker, "a")
    commit(broker, "one", "a", {0: 4, 7: 3})
    commit(broker, "one", "gone", {0: 4})
    found = GroupsPass(broker)
    finished(found.look())
    assert of(found, groups.CURRENT_OFFSET_SUM) == {("one", "a"): 7, ("one", "gone"): 4}
    assert of(found, groups.LAG) == {("one", "a", "0"): 0}
    assert of(found, groups.LAG_SUM) == {("one", "a"): 0}
