"""Broker: topics, producer ids and partitions over restarts, all on one storage."""

import gc
import json
from copy import deepcopy
from dataclasses import replace
from random import Random

import pytest
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import FORMAT_VERSION, ClusterMetadata, Topic
from minibroker.broker.cluster.records import (
    FormatRecord,
    MetadataError,
    MetadataRecord,
    ProducerIdsRecord,
    StartedRecord,
    TopicDeletedRecord,
)
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.log.identity import read_topic_id
from minibroker.broker.log.log import Log
from minibroker.broker.log.state_log import REWRITE_FACTOR, REWRITE_SLACK, StateLog
from minibroker.broker.partitions.partition import Appended
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.names import META_PROPERTIES, METADATA_LOG, RECOVERY_POINTS
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.waiting.long_work import finished
from minibroker.broker.world import World
from minibroker.protocol.batch.header import headers_in, read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode, Refused

NOW_MS = 1_700_000_000_000
FSYNC = BrokerConfig.of({"log.dirs": ("data",)})


OF_AN_EMPTY_BROKER = [METADATA_LOG, META_PROPERTIES, RECOVERY_POINTS]


class Clock:
    """Time that stands still."""

    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return 0


class Machine:
    """A disk and what its brokers have warned of; each start makes a new broker on the disk."""

    def __init__(self, config: BrokerConfig = FSYNC) -> None:
        self.config = config
        self.storage = MemoryStorage()
        self.warnings: list[str] = []
        self.seed = 0

    def start(self) -> Broker:
        self.seed += 1
        hooks = Hooks(
            lambda: None, lambda: None, lambda: None, lambda line: self.warnings.append(str(line))
        )
        world = World(Clock(), self.storage, Random(self.seed))
        return Broker(self.config, [], world, hooks)


def create(broker: Broker, name: str, **texts: str) -> Topic:
    configs = {key.replace("_", "."): text for key, text in texts.items()}
    topic = broker.plan_topic(NewTopic(name, partition_count=2, configs=configs))
    assert isinstance(topic, Topic), topic
    broker.create_topics([topic])
    return topic


def batch(sequence: int = -1, producer_id: int = -1) -> bytes:
    return build_batch(
        [(None, b"v", (), NOW_MS)],
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=sequence,
    )


def flush(broker: Broker) -> None:
    broker.finish_round(broker.begin_round())


def test_topics_and_configs_survive_a_restart() -> None:
    machine = Machine()
    broker = machine.start()
    created = create(broker, "orders", segment_ms="5")
    again = machine.start()
    assert again.state.topics == {"orders": created}
    assert again.state.cluster_id == broker.state.cluster_id != ""
    partition = again.partition("orders", 1)
    assert partition is not None
    assert partition.config.segment_ms == 5
    assert again.partition("orders", 2) is None


def test_producer_ids_never_repeat_whatever_became_of_the_directory() -> None:
    machine = Machine()
    machine.start()
    backup = deepcopy(machine.storage)
    seen: list[int] = []
    for life in range(20):
        broker = machine.start()
        seen += [broker.new_producer_id() for _ in range(50)]
        if life % 3 == 2:
            machine.storage = deepcopy(backup)
    assert len(set(seen)) == len(seen)
    assert min(seen) > 10**9, "0.1.0 counted from 0"
    assert max(seen) < 2**53


def test_in_memory_producer_ids_begin_elsewhere_with_every_start() -> None:
    machines = [Machine(BrokerConfig.of({})) for _ in range(2)]
    machines[1].seed = 77
    first, second = (machine.start().new_producer_id() for machine in machines)
    assert first != second


def test_an_id_found_in_a_log_is_never_given_out() -> None:
    machine = Machine()
    broker = machine.start()
    create(broker, "orders")
    flush(broker)
    backup = deepcopy(machine.storage)
    first = machine.start().new_producer_id()  # what the same draw gives with nothing in the logs
    for known, expected in ((first + 1000, False), (first - 1, True)):
        machine.seed, machine.storage = 1, deepcopy(backup)
        partition = machine.start().partition("orders", 1)
        assert partition is not None
        assert isinstance(partition.produce(batch(0, known), NOW_MS), Appended)
        machine.seed = 1
        assert (machine.start().new_producer_id() == first) is expected


@pytest.mark.parametrize("timestamp_type", ["CreateTime", "LogAppendTime"])
@pytest.mark.parametrize("stops", [False, True])
def test_bytes_are_told_apart_after_a_restart_where_the_log_has_them_as_they_were_sent(
    timestamp_type: str, stops: bool
) -> None:
    machine = Machine()
    broker = machine.start()
    create(broker, "orders", message_timestamp_type=timestamp_type)
    partition = broker.partition("orders", 0)
    assert partition is not None
    first = batch(0, 9)
    partition.produce(first, NOW_MS)
    broker.appended(partition)
    flush(broker)
    if stops:
        broker.close()
    again = machine.start().partition("orders", 0)
    assert again is not None
    assert again.produce(first, NOW_MS) == Duplicate(0, 1, NOW_MS, has_other_bytes=False)
    other = build_batch(
        [(None, b"w", (), NOW_MS)], producer_id=9, producer_epoch=0, base_sequence=0
    )
    knows = stops or timestamp_type == "CreateTime"  # a snapshot has the CRC as it was sent
    assert again.produce(other, NOW_MS) == Duplicate(0, 1, NOW_MS, has_other_bytes=knows)


def test_a_directory_of_version_1_is_marked_as_one_of_today_once() -> None:
    storage = MemoryStorage()
    old = StateLog(storage, METADATA_LOG, ClusterMetadata(), NOW_MS)
    records: list[MetadataRecord] = [
        FormatRecord(1, "of-then"),
        StartedRecord(4),
        ProducerIdsRecord(5000),
    ]
    old.commit(records, NOW_MS)
    old.flush()
    machine = Machine()
    machine.storage = storage
    state = machine.start().state
    assert (state.cluster_id, state.start_count) == ("of-then", 5)
    assert state.format_version == FORMAT_VERSION
    end_offset = machine.start()._metadata.log.log_end_offset
    assert machine.start()._metadata.log.log_end_offset == end_offset + 1, "the start alone"


def test_the_leader_epoch_rises_with_every_start() -> None:
    machine = Machine()
    epochs = []
    for _ in range(3):
        broker = machine.start()
        if not broker.state.topics:
            create(broker, "t")
        partition = broker.partition("t", 0)
        assert partition is not None
        partition.produce(batch(), NOW_MS)
        stored = partition.log.read(0, partition.log.log_end_offset, 10_000)
        epochs = [header.partition_leader_epoch for _, header in headers_in(stored)]
    assert epochs == [0, 1, 2]


def test_a_retry_of_each_of_the_five_newest_batches_is_recognised_after_a_restart() -> None:
    machine = Machine()
    broker = machine.start()
    create(broker, "t")
    partition = broker.partition("t", 0)
    assert partition is not None
    for sequence in range(7):
        assert isinstance(partition.produce(batch(sequence, 4), NOW_MS), Appended)
    again = machine.start().partition("t", 0)
    assert again is not None
    for sequence in range(2, 7):
        assert again.produce(batch(sequence, 4), NOW_MS) == Duplicate(
            sequence, sequence + 1, NOW_MS
        )
    stale = again.produce(batch(1, 4), NOW_MS)
    assert isinstance(stale, Refused)
    assert stale.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert isinstance(again.produce(batch(7, 4), NOW_MS), Appended)


def test_a_deleted_topic_takes_its_records_along_and_its_name_is_free() -> None:
    machine = Machine()
    broker = machine.start()
    old = create(broker, "t")
    partition = broker.partition("t", 0)
    assert partition is not None
    partition.produce(batch(), NOW_MS)
    finished(broker.delete_topics(["t"]))
    assert machine.storage.list_dir("") == OF_AN_EMPTY_BROKER
    assert broker.partition("t", 0) is None
    new = create(broker, "t")
    assert new.topic_id != old.topic_id
    fresh = broker.partition("t", 0)
    assert fresh is not None
    assert fresh.log.log_end_offset == 0
    assert machine.start().state.topics == {"t": new}


def test_nothing_of_a_deleted_partition_stays_in_memory() -> None:
    machine = Machine()
    broker = machine.start()
    create(broker, "t")
    partition = broker.partition("t", 0)
    assert partition is not None
    partition.produce(batch(), NOW_MS)
    assert logs_of(machine, "t-0")
    del partition
    finished(broker.delete_topics(["t"]))
    flush(broker)
    assert not logs_of(machine, "t-0")


def logs_of(machine: Machine, directory: str) -> list[Log]:
    """The logs of a directory that something still holds."""
    gc.collect()
    logs = (each for each in gc.get_objects() if isinstance(each, Log))
    return [each for each in logs if each.storage is machine.storage and directory in each.key]


def test_a_deletion_that_a_crash_cut_short_is_finished_at_the_next_start() -> None:
    machine = Machine()
    broker = machine.start()
    create(broker, "t")
    partition = broker.partition("t", 0)
    assert partition is not None
    partition.produce(batch(), NOW_MS)
    topic_id = broker.state.topics["t"].topic_id
    broker._metadata.commit([TopicDeletedRecord(topic_id)], NOW_MS)
    machine.start()  # the record is there, the files as well
    assert machine.storage.list_dir("") == OF_AN_EMPTY_BROKER
    assert machine.warnings == ["removing t-0: its topic has been deleted"]
    machine.start()
    assert not machine.start().state.deleted, "forgotten once its directories have gone"


@pytest.mark.parametrize("name", ["stranger-0", "report-2024", "x-delete", "orders-0.1-delete"])
def test_what_is_not_a_partition_is_left_alone_and_named(name: str) -> None:
    machine = Machine()
    machine.start()
    machine.storage.make_dirs(name)
    machine.storage.create_file(f"{name}/theirs").append([b"theirs"])
    for _ in range(2):
        machine.warnings.clear()
        machine.start()
        assert machine.storage.read_bytes(f"{name}/theirs") == b"theirs"
        assert machine.warnings == [f"left alone, because it is not of this broker: {name}"]


def test_whose_a_directory_is_is_written_again_where_a_crash_has_left_it_empty() -> None:
    machine = Machine()
    broker = machine.start()
    created = create(broker, "orders")
    partition = broker.partition("orders", 0)
    assert partition is not None
    partition.produce(batch(), NOW_MS)
    broker.appended(partition)
    flush(broker)
    path = "orders-0/partition.metadata"
    text = machine.storage.read_bytes(path)
    machine.storage.create_file(path)
    again = machine.start()
    assert machine.storage.read_bytes(path) == text
    assert read_topic_id(machine.storage, "orders-0") == created.topic_id
    assert again.partitions["orders", 0].log.log_end_offset == 1


@pytest.mark.parametrize("is_collecting", [True, False])
def test_a_start_leaves_the_garbage_collector_as_the_host_has_it(is_collecting: bool) -> None:
    machine = Machine()
    create(machine.start(), "t")
    was_collecting = gc.isenabled()
    (gc.enable if is_collecting else gc.disable)()
    try:
        machine.start()
        assert gc.isenabled() == is_collecting
    finally:
        (gc.enable if was_collecting else gc.disable)()


def test_a_newer_format_is_refused() -> None:
    machine = Machine()
    broker = machine.start()
    newer = {"type": "format", "version": FORMAT_VERSION + 1, "cluster_id": "x"}
    log = broker._metadata.log
    made = build_batch([(None, json.dumps(newer).encode(), (), NOW_MS)])
    log.append(read_header(made), made, 0, NOW_MS)
    with pytest.raises(MetadataError, match="start the newer version"):
        machine.start()


def test_a_long_history_is_rewritten_as_what_is_left_of_it() -> None:
    machine = Machine()
    broker = machine.start()
    create(broker, "kept")
    sizes = []
    for number in range((REWRITE_SLACK + REWRITE_FACTOR * 5) // 3 + 1):
        create(broker, f"t{number}")
        finished(broker.delete_topics([f"t{number}"]))
        sizes.append(broker._metadata.log.size_bytes)
    assert sizes[-1] < max(sizes) / 10, "it was rewritten while the broker ran"
    state = machine.start().state
    assert list(state.topics) == ["kept"]
    replayed = ClusterMetadata()
    assert (
        StateLog(machine.storage, METADATA_LOG, replayed, NOW_MS).log.size_bytes < max(sizes) / 10
    )
    assert list(replayed.topics) == ["kept"]


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (NewTopic(""), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic(".."), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("__cluster_metadata"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("__consumer_offsets"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("bad topic"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("x" * 250), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("a_b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("a.b"), ErrorCode.TOPIC_ALREADY_EXISTS),
        (NewTopic("t", partition_count=0), ErrorCode.INVALID_PARTITIONS),
        (NewTopic("t", partition_count=-2), ErrorCode.INVALID_PARTITIONS),
        (NewTopic("t", partition_count=10_001), ErrorCode.INVALID_PARTITIONS),
        (NewTopic("t", replication_factor=0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (NewTopic("t", configs={"segment.bytes": "1000"}), ErrorCode.INVALID_CONFIG),
        (NewTopic("t", configs={"nonsense": "1"}), ErrorCode.INVALID_CONFIG),
        (NewTopic("t", assignments={0: [2]}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (NewTopic("t", assignments={1: [1]}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (NewTopic("t", partition_count=1, assignments={0: [1]}), ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_topic_that_cannot_be_is_refused_as_kafka_refuses_it(
    new: NewTopic, code: ErrorCode
) -> None:
    broker = Machine().start()
    create(broker, "a.b")
    refused = broker.plan_topic(new)
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_a_replication_factor_above_one_is_taken_as_one_with_a_warning() -> None:
    machine = Machine()
    planned = machine.start().plan_topic(NewTopic("t", replication_factor=3))
    assert isinstance(planned, Topic)
    assert "replication factor 3 taken as 1" in machine.warnings[0]
    machine.config = replace(FSYNC, replication_factor_lenient=False)
    refused = machine.start().plan_topic(NewTopic("t", replication_factor=3))
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.INVALID_REPLICATION_FACTOR


def test_ten_thousand_partitions_cost_nothing_before_their_first_record() -> None:
    machine = Machine()
    broker = machine.start()
    topic = broker.plan_topic(NewTopic("wide", partition_count=10_000))
    assert isinstance(topic, Topic)
    broker.create_topics([topic])
    assert len(broker.partitions) == 0
    assert machine.storage.list_dir("") == OF_AN_EMPTY_BROKER
