"""A full disk: what is refused, what the reserve pays for, and how it ends."""

from __future__ import annotations

import pytest
from minibroker.broker.directory.reserve import CHECK_MS
from minibroker.broker.limits import RESERVE_BYTES
from minibroker.broker.log.checkpoints import read_clean_stop
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.names import CLEAN_STOP, RESERVE
from minibroker.broker.storage.port import NoSpace
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.errors import ErrorCode, Refused

from tests.support.directories.small_disk import SmallDisk
from tests.support.worlds.timed_broker import NOW_MS, Machine, batch_at

ROOM = 4 * RESERVE_BYTES
FULL = ErrorCode.KAFKA_STORAGE_ERROR


def started(room_bytes: int = ROOM) -> tuple[Machine, SmallDisk, Partition]:
    disk = SmallDisk(room_bytes)
    machine = Machine(disk)
    machine.start()
    partition = machine.partition(retention_ms="-1", internal_segment_bytes="100")
    machine.append(partition, 3, producer_id=7)
    machine.flush()
    return machine, disk, partition


def refused(partition: Partition, sequence: int) -> ErrorCode | None:
    answer = partition.produce(batch_at(NOW_MS, 7, sequence), NOW_MS)
    return answer.code if isinstance(answer, Refused) else None


def said(machine: Machine, event: str) -> int:
    return sum(f"event={event} " in line for line in machine.warned)


def test_records_are_refused_and_topics_and_records_are_deleted() -> None:
    machine, disk, partition = started()
    other = machine.partition("other")
    machine.append(other, 1)
    machine.flush()
    disk.fill()
    assert refused(partition, 3) is FULL
    machine.broker.delete_records(partition, 2)
    machine.flush()
    assert partition.log.log_start_offset == 2
    finished(machine.broker.delete_topics(["other"]))
    assert [*machine.broker.state.topics] == ["orders"]
    assert said(machine, "disk-full") == 1
    with pytest.raises(NoSpace):  # a creation makes no room, so nothing pays for it
        machine.partition("third")


def test_retention_makes_room_and_writing_goes_on() -> None:
    machine, disk, partition = started()
    disk.fill()
    assert refused(partition, 3) is FULL
    machine.broker.delete_records(partition, 2)
    machine.flush()
    machine.pass_ms(400_000)
    assert partition.log.segments[0].base_offset > 0, "the first segments have gone"
    disk.room_bytes += ROOM
    machine.pass_ms(CHECK_MS)
    assert refused(partition, 3) is None
    assert [said(machine, event) for event in ("disk-full", "disk-free-again")] == [1, 1]
    assert disk.open_file(RESERVE).size == RESERVE_BYTES


def test_a_start_on_a_full_disk_is_paid_for() -> None:
    machine, disk, _ = started()
    disk.fill()
    for _ in range(20):
        machine.start()
        assert machine.broker.state.start_count == machine._starts
    partition = machine.partition()
    assert refused(partition, 3) is FULL
    assert partition.produce(batch_at(NOW_MS, 7, 2), NOW_MS) == Duplicate(2, 3, NOW_MS)
    assert not said(machine, "read-only")


def test_without_a_reserve_a_start_reads_and_appends_nothing_until_there_is_room() -> None:
    machine, disk, partition = started()
    epoch = machine.broker.leader_epoch
    disk.remove(RESERVE)
    disk.room_bytes -= disk.usable_bytes
    machine.start()
    assert said(machine, "read-only") == 1
    partition = machine.partition()
    assert partition.log.log_end_offset == 3
    assert partition.produce(batch_at(NOW_MS, 7, 2), NOW_MS) == Duplicate(2, 3, NOW_MS)
    disk.room_bytes += 1000  # enough for a batch, and the start comes first
    assert refused(partition, 3) is FULL
    with pytest.raises(NoSpace):
        machine.broker._ledger.commit([])
    assert machine.broker.leader_epoch == epoch
    disk.room_bytes += ROOM
    machine.pass_ms(CHECK_MS)
    assert (machine.broker.leader_epoch, partition.leader_epoch) == (epoch + 1, epoch + 1)
    assert isinstance(partition.produce(batch_at(NOW_MS, 7, 3), NOW_MS), Appended)
    assert machine.partition("orders", 1).is_writable


def test_a_new_directory_on_a_full_disk_is_refused() -> None:
    with pytest.raises(NoSpace):
        Machine(SmallDisk(0)).start()


def test_a_clean_stop_on_a_full_disk_leaves_its_mark() -> None:
    machine, disk, _ = started()
    disk.fill()
    machine.broker.close()
    stopped = read_clean_stop(disk.read_bytes(CLEAN_STOP))
    assert stopped is not None
    assert [key.split(" ")[0] for key in stopped] == ["__cluster_metadata-0", "orders-0"]
    disk.fill()
    machine.start()
    assert disk.read_bytes(CLEAN_STOP) == b"", "emptied where it is"


def test_where_there_is_little_room_the_reserve_is_smaller_and_grows() -> None:
    _, disk, _ = started(RESERVE_BYTES)
    assert 0 < disk.open_file(RESERVE).size < RESERVE_BYTES
    machine = Machine(disk)
    disk.room_bytes = ROOM
    machine.start()
    assert disk.open_file(RESERVE).size == RESERVE_BYTES
