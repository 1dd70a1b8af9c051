"""Stops and starts of a whole broker: clean, killed, damaged, and what is left in the directory."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.directory.survey import UnknownPartitions
from minibroker.broker.partitions.partition import Partition
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.names import CLEAN_STOP, META_PROPERTIES, RECOVERY_POINTS
from minibroker.broker.storage.port import DamagedLog, StorageError
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.waiting.long_work import finished
from minibroker.broker.world import World

from tests.support.records.partitions import NOW_MS, batch_from

PARTITIONS = 3


class Clock:
    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return 0


class Machine:
    """One disk; each start() is a new broker on it, whatever became of the one before."""

    def __init__(self, durability: str = "fsync") -> None:
        self.config = BrokerConfig(durability=durability)
        self.storage = MemoryStorage()
        self.warnings: list[str] = []

    def start(self) -> Broker:
        self.warnings.clear()
        hooks = Hooks(
            lambda: None, lambda: None, lambda: None, lambda line: self.warnings.append(str(line))
        )
        return Broker(self.config, [], World(Clock(), self.storage, Random(1)), hooks)

    def damage(self, path: str, position: int = -1) -> None:
        data = bytearray(self.storage.read_bytes(path))
        data[position] ^= 1
        self.storage.replace(path, bytes(data))


def partitions(broker: Broker) -> list[Partition]:
    if "orders" not in broker.state.topics:
        topic = broker.plan_topic(NewTopic("orders", partition_count=PARTITIONS))
        assert isinstance(topic, Topic)
        broker.create_topics([topic])
    found = [broker.partition("orders", index) for index in range(PARTITIONS)]
    return [each for each in found if each is not None]


def send(broker: Broker, sequence: int) -> list[object]:
    answers: list[object] = []
    for partition in partitions(broker):
        answers.append(partition.produce(batch_from(5, sequence), NOW_MS))
        broker.appended(partition)
    broker.finish_round(broker.begin_round())
    return answers


@pytest.mark.parametrize("durability", ["fsync", "page-cache", "memory"])
def test_a_clean_stop_is_not_followed_by_any_recovery(durability: str) -> None:
    machine = Machine(durability)
    broker = machine.start()
    first = [send(broker, sequence) for sequence in range(6)]
    broker.close()
    assert machine.storage.read_bytes(CLEAN_STOP)
    again = machine.start()
    assert machine.warnings == []
    assert machine.storage.read_bytes(CLEAN_STOP) == b"", "gone before anything is appended"
    for sequence in range(1, 6):
        for answer, old in zip(send(again, sequence), first[sequence], strict=True):
            assert answer[0] == old[0]  # type: ignore[index]
    assert again.leader_epoch == broker.leader_epoch + 1
    assert again.partitions["orders", 0].log.latest_epoch == 0, "written at the first append"
    send(again, 6)
    assert again.partitions["orders", 0].epoch_end_offset(0) == (0, 6)


def test_what_was_acknowledged_is_missed_after_kill_9_and_after_a_clean_stop() -> None:
    for stops_cleanly in (True, False):
        machine = Machine()
        broker = machine.start()
        for sequence in range(6):
            send(broker, sequence)
        if stops_cleanly:
            broker.close()
        path = f"orders-1/{0:020d}.log"
        size = len(machine.storage.read_bytes(path))
        machine.storage.replace(path, machine.storage.read_bytes(path)[: size // 2])
        for _ in range(2):  # the second start is stopped by it as the first was
            with pytest.raises(DamagedLog, match=r"all before( offset)? 6 had been flushed"):
                machine.start()


def test_a_directory_moved_away_lets_the_broker_start_without_its_records() -> None:
    machine = Machine()
    broker = machine.start()
    for sequence in range(3):
        send(broker, sequence)
    machine.storage.remove_tree("orders-1")
    again = machine.start()
    assert machine.warnings == ["orders-1 is gone with its 3 offsets: begins empty"]
    send(again, 3)
    assert [each.log.log_end_offset for each in partitions(again)] == [4, 1, 4]
    machine.start()
    assert machine.warnings == []


@pytest.mark.parametrize("name", [CLEAN_STOP, RECOVERY_POINTS])
@pytest.mark.parametrize("position", [0, -1])
def test_damaged_checkpoints_cost_time_and_nothing_else(name: str, position: int) -> None:
    machine = Machine()
    broker = machine.start()
    for sequence in range(6):
        send(broker, sequence)
    broker.close()
    machine.damage(name, position)
    again = machine.start()
    assert [each.log.log_end_offset for each in partitions(again)] == [6, 6, 6]
    for sequence in range(1, 6):
        answers = send(again, sequence)
        assert [each[0] for each in answers] == [sequence] * 3  # type: ignore[index]


def test_a_topic_of_the_same_name_inherits_no_recovery_point() -> None:
    machine = Machine()
    broker = machine.start()
    for sequence in range(6):
        send(broker, sequence)
    finished(broker.delete_topics(["orders"]))
    send(broker, 0)
    assert [each.log.log_end_offset for each in partitions(machine.start())] == [1, 1, 1]
    assert machine.warnings == []


@pytest.mark.parametrize("stops_cleanly", [True, False])
def test_a_flipped_bit_in_the_metadata_log_is_refused_after_any_stop(
    stops_cleanly: bool,
) -> None:
    machine = Machine()
    broker = machine.start()
    send(broker, 0)
    broker.begin_round()
    if stops_cleanly:
        broker.close()
    path = f"__cluster_metadata-0/{0:020d}.log"
    for position in range(0, len(machine.storage.read_bytes(path)), 7):
        machine.damage(path, position)
        with pytest.raises((DamagedLog, StorageError)):  # no CRC covers a leader epoch
            machine.start()
        machine.damage(path, position)
    machine.start()


def test_half_written_files_are_removed() -> None:
    machine = Machine()
    broker = machine.start()
    send(broker, 0)
    for path in ("recovery-points.tmp", f"orders-0/{9:020d}.index", "orders-0/x.tmp"):
        machine.storage.create_file(path).append([b"half"])
    machine.storage.remove("orders-2/partition.metadata")
    machine.storage.create_file("theirs.tmp").append([b"theirs"])
    machine.start()
    assert "recovery-points.tmp" not in machine.storage.list_dir("")
    assert "theirs.tmp" in machine.storage.list_dir("")
    of_ours = [f"{0:020d}.log", "partition.metadata"]
    assert machine.storage.list_dir("orders-0") == [*of_ours, "x.tmp"]
    assert "partition.metadata" in machine.storage.list_dir("orders-2")


def test_what_a_power_loss_has_left_of_a_deleted_topic_is_not_its_successors() -> None:
    """In 0.1.0: 1. deleted: directory renamed, files removed  2. only the id's removal lasted."""
    machine = Machine()
    broker = machine.start()
    send(broker, 0)
    left = machine.storage.read_bytes(f"orders-1/{0:020d}.log")
    finished(broker.delete_topics(["orders"]))
    partitions(broker)  # a new topic of that name, nothing in it
    machine.storage.make_dirs("orders-1")
    machine.storage.create_file(f"orders-1/{0:020d}.log").append([left])
    machine.storage.remove(META_PROPERTIES)
    for _ in range(2):
        with pytest.raises(UnknownPartitions, match="orders-1: it does not say whose it is"):
            machine.start()
    machine.storage.rename("orders-1", "orders-1.0-stray")
    again = machine.start()
    assert [each.log.log_end_offset for each in partitions(again)] == [0, 0, 0]
    assert machine.storage.read_bytes(f"orders-1.0-stray/{0:020d}.log") == left


@pytest.mark.parametrize("content", [None, b"", b"version: 0\n", b"version: 0\ntopic_id: AAAA"])
def test_a_missing_or_spoilt_topic_id_costs_no_records(content: bytes | None) -> None:
    machine = Machine()
    broker = machine.start()
    send(broker, 0)
    machine.storage.remove("orders-1/partition.metadata")
    if content is not None:
        machine.storage.create_file("orders-1/partition.metadata").append([content])
    again = machine.start()
    assert machine.warnings == ["orders-1: its topic id is damaged or missing; written anew"]
    assert [each.log.log_end_offset for each in partitions(again)] == [1, 1, 1]
    machine.start()
    assert machine.warnings == []


@pytest.mark.parametrize("stops_cleanly", [True, False])
def test_a_directory_with_another_id_is_not_taken_for_ours(stops_cleanly: bool) -> None:
    machine = Machine()
    broker = machine.start()
    send(broker, 0)
    if stops_cleanly:
        broker.close()
    machine.damage("orders-1/partition.metadata", 35)
    for _ in range(2):
        with pytest.raises(UnknownPartitions, match="orders-1: no topic has its id"):
            machine.start()
    machine.damage("orders-1/partition.metadata", 35)
    assert [each.log.log_end_offset for each in partitions(machine.start())] == [1, 1, 1]


def test_under_page_cache_a_finished_segment_is_flushed_though_nobody_waits() -> None:
    machine = Machine("page-cache")
    broker = machine.start()
    [partition, *_] = partitions(broker)
    partition.log.config = type(partition.log.config)(segment_bytes=200)
    for sequence in range(6):
        partition.produce(batch_from(5, sequence), NOW_MS)
        broker.appended(partition)
    assert partition.log.has_rolled
    round_ = broker.begin_round()
    assert len(round_.files) > 2
    broker.finish_round(round_)
    assert not partition.log.has_rolled
    known = broker.restart.known("orders-0", broker.state.topics["orders"].topic_id)
    assert known.flushed_offset == 6
