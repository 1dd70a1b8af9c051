"""Changes of configuration: in force at once, after a restart, and in a rewritten log."""

from random import Random
from typing import Any

import pytest
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.config_changes import Change, plan_changes, plan_replacement
from minibroker.broker.cluster.described_configs import (
    describe_all_brokers,
    describe_broker,
    describe_topic,
)
from minibroker.broker.cluster.metadata import ClusterMetadata, Topic
from minibroker.broker.cluster.records import BrokerConfigRecord
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.sources import Layer, load
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.waiting.promise import Promise
from minibroker.broker.world import World
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.configs import AlterOperation, ResourceType
from minibroker.protocol.errors import ErrorCode, Refused

TOPIC, BROKER = ResourceType.TOPIC, ResourceType.BROKER
SET, DELETE, APPEND = AlterOperation.SET, AlterOperation.DELETE, AlterOperation.APPEND
NOW_MS = 1_700_000_000_000


class Clock:
    """Time that stands still."""

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return 0


def started(storage: MemoryStorage, **settings: str) -> Broker:
    texts = {key.replace("_", "."): text for key, text in settings.items()}
    config = load([Layer("test", {"log.dirs": "data", **texts})]).config
    hooks = Hooks(lambda: None, lambda: None, lambda: None, lambda text: None)
    return Broker(config, [], World(Clock(), storage, Random(1)), hooks)


def with_topic(broker: Broker) -> Partition:
    topic = broker.plan_topic(NewTopic("t"))
    assert isinstance(topic, Topic)
    broker.create_topics([topic])
    partition = broker.partition("t", 0)
    assert partition is not None
    return partition


def change(broker: Broker, kind: int, name: str, *changes: Change) -> None:
    record = plan_changes(kind, name, changes, broker.state, broker.config)
    assert not isinstance(record, Refused), record
    broker.change_configs([record])


def refused(broker: Broker, kind: int, name: str, *changes: Change) -> Refused:
    record = plan_changes(kind, name, changes, broker.state, broker.config)
    assert isinstance(record, Refused), record
    return record


def batch(size: int) -> bytes:
    return build_batch([(None, bytes(size), (), NOW_MS)])


def test_a_topics_value_is_in_force_at_the_next_batch() -> None:
    broker = started(MemoryStorage())
    partition = with_topic(broker)
    assert isinstance(partition.produce(batch(500), NOW_MS), Appended)
    change(broker, TOPIC, "t", Change("max.message.bytes", SET, "300"))
    answer = partition.produce(batch(500), NOW_MS)
    assert isinstance(answer, Refused)
    assert answer.code == ErrorCode.MESSAGE_TOO_LARGE
    change(broker, TOPIC, "t", Change("max.message.bytes", DELETE, None))
    assert isinstance(partition.produce(batch(500), NOW_MS), Appended)


def test_a_log_rolls_by_the_value_that_was_set_last() -> None:
    storage = MemoryStorage()
    broker = started(storage)
    partition = with_topic(broker)
    partition.produce(batch(400), NOW_MS)
    change(broker, TOPIC, "t", Change("internal.segment.bytes", SET, "700"))
    partition.produce(batch(400), NOW_MS)
    segments = [name for name in storage.list_dir("t-0") if name.endswith(".log")]
    assert len(segments) == 2


def test_a_brokers_value_reaches_open_partitions_unless_the_topic_has_its_own() -> None:
    broker = started(MemoryStorage())
    partition = with_topic(broker)
    change(broker, BROKER, "", Change("message.max.bytes", SET, "1000"))
    assert partition.config.max_message_bytes == broker.config.message_max_bytes == 1000
    change(broker, BROKER, "1", Change("message.max.bytes", SET, "2000"))
    assert partition.config.max_message_bytes == 2000
    change(broker, TOPIC, "t", Change("max.message.bytes", SET, "3000"))
    change(broker, BROKER, "1", Change("message.max.bytes", SET, "4000"))
    assert (partition.config.max_message_bytes, broker.config.message_max_bytes) == (3000, 4000)


def test_changes_survive_a_restart() -> None:
    storage = MemoryStorage()
    broker = started(storage)
    with_topic(broker)
    change(broker, TOPIC, "t", Change("max.message.bytes", SET, "3000"))
    change(broker, BROKER, "", Change("log.segment.bytes", SET, "2000000"))
    change(broker, BROKER, "1", Change("log.roll.ms", SET, "5"))
    again = started(storage)
    partition = again.partition("t", 0)
    assert partition is not None
    in_force = (partition.config.max_message_bytes, partition.log.config.segment_bytes)
    assert in_force == (3000, 2_000_000)
    assert (partition.log.config.segment_ms, again.config.log_roll_ms) == (5, 5)


def test_a_change_survives_in_a_snapshot_of_the_metadata() -> None:
    broker = started(MemoryStorage())
    with_topic(broker)
    change(broker, TOPIC, "t", Change("segment.ms", SET, "5"))
    change(broker, BROKER, "1", Change("log.roll.ms", SET, "7"))
    rebuilt = ClusterMetadata()
    (records,) = broker.state.snapshot()
    assert len(records) == broker.state.live_count()
    for record in records:
        rebuilt.apply(record)
    assert rebuilt == broker.state
    for record in records:  # a snapshot voids what stood before it
        rebuilt.apply(record)
    assert rebuilt == broker.state


def test_a_change_is_answered_when_it_is_durable() -> None:
    broker = started(MemoryStorage())
    with_topic(broker)
    broker.finish_round(broker.begin_round())
    change(broker, TOPIC, "t", Change("segment.ms", SET, "5"))
    promise = broker.when_durable("answer", lambda: "refused")
    assert isinstance(promise, Promise)
    answers: list[Any] = []
    promise.deliver_to(answers.append)
    assert answers == []
    broker.finish_round(broker.begin_round())
    assert answers == ["answer"]


def test_all_layers_of_a_value_are_told_the_strongest_first() -> None:
    broker = started(MemoryStorage(), message_max_bytes="500")
    with_topic(broker)
    change(broker, BROKER, "", Change("message.max.bytes", SET, "1000"))
    change(broker, BROKER, "1", Change("message.max.bytes", SET, "2000"))
    change(broker, TOPIC, "t", Change("max.message.bytes", SET, "3000"))
    described = {
        each.name: each
        for each in describe_topic(broker.state.topics["t"].overrides, broker.running_config)
    }
    layers = [(each.source.value, each.value) for each in described["max.message.bytes"].synonyms]
    assert layers == [(1, "3000"), (2, "2000"), (3, "1000"), (4, "500"), (5, "1048588")]
    (everywhere,) = describe_all_brokers(broker.running_config)
    assert (everywhere.name, everywhere.value) == ("message.max.bytes", "1000")
    assert {each.name for each in describe_broker(broker.running_config) if not each.read_only} == {
        name for name, prop in BrokerConfig.properties().items() if prop.dynamic
    }


def test_an_override_that_no_longer_has_a_meaning_can_be_deleted_and_does_no_harm() -> None:
    broker = started(MemoryStorage())
    for name in ("", "1"):
        broker.state.apply(BrokerConfigRecord(name, {"bygone": "1"}))
    assert describe_all_brokers(broker.running_config) == []
    assert broker.running_config.effective() == broker.config
    assert refused(broker, BROKER, "1", Change("log.roll.ms", SET, "7")).code == 40
    change(broker, BROKER, "1", Change("bygone", DELETE, None))
    assert broker.state.broker_overrides["1"] == {}


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        ("mesage.max.bytes", ErrorCode.INVALID_CONFIG, "did you mean message.max.bytes"),
        ("background.threads", ErrorCode.INVALID_REQUEST, "no value of its own here"),
        ("num.partitions", ErrorCode.INVALID_REQUEST, "cannot change while the broker runs"),
    ],
)
def test_a_broker_property_that_cannot_change_is_refused_in_words(
    name: str, code: ErrorCode, why: str
) -> None:
    answer = refused(started(MemoryStorage()), BROKER, "1", Change(name, SET, "3"))
    assert answer.code == code
    assert why in answer.why


def test_an_unknown_operation_is_refused() -> None:
    broker = started(MemoryStorage())
    with_topic(broker)
    assert refused(broker, TOPIC, "t", Change("segment.ms", 9, "1")).code == 42


def test_a_replacement_forgets_what_it_does_not_name() -> None:
    broker = started(MemoryStorage())
    with_topic(broker)
    change(broker, TOPIC, "t", Change("segment.ms", SET, "5"))
    change(broker, TOPIC, "t", Change("cleanup.policy", APPEND, "compact"))
    record = plan_replacement(TOPIC, "t", [("retention.ms", "9")], broker.state, broker.config)
    assert not isinstance(record, Refused)
    broker.change_configs([record])
    assert broker.state.topics["t"].overrides == {"retention.ms": "9"}
