"""What retention lets go and when; DeleteRecords' core; both over restarts at any moment."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.config.topic import topic_config
from minibroker.broker.limits import LOOKS_A_TURN
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.partitions.retention import cut_due
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.port import StorageError
from minibroker.broker.waiting.long_work import finished
from minibroker.broker.waiting.promise import Promise
from minibroker.protocol.errors import ErrorCode, Refused

from tests.support.worlds.timed_broker import BATCH_BYTES, NOW_MS, Machine, batch_at

CHECK_MS = 300_000
FIRST_CHECK_MS = 30_000
THREE_A_SEGMENT = str(3 * BATCH_BYTES)
DAY_MS = 86_400_000


def started(**settings: Any) -> Machine:
    machine = Machine(**settings)
    machine.start()
    return machine


def segment_bases(partition: Partition) -> list[int]:
    return [segment.base_offset for segment in partition.log.segments]


def segment_files(machine: Machine, partition: Partition) -> list[int]:
    names = machine.storage.list_dir(partition.log.directory)
    return [int(name[:-4]) for name in names if name.endswith(".log")]


def bounds(partition: Partition) -> tuple[int, int]:
    return partition.log.log_start_offset, partition.log.log_end_offset


def test_segments_whose_newest_record_is_too_old_go_the_active_one_too() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_ms="600000")
    machine.append(partition, 7)
    machine.flush()
    machine.pass_ms(600_000)
    assert bounds(partition) == (0, 7), "as old as allowed"
    machine.append(partition)  # in the segment that begins at 6
    machine.flush()
    machine.pass_ms(CHECK_MS)
    assert bounds(partition) == (6, 8)
    assert segment_files(machine, partition) == [6]
    machine.pass_ms(2 * CHECK_MS)
    assert bounds(partition) == (8, 8)
    assert segment_files(machine, partition) == [8], "an empty segment remains"
    machine.append(partition)
    assert bounds(partition) == (8, 9)


def test_an_empty_log_is_left_alone() -> None:
    machine = started()
    partition = machine.partition(retention_ms="0", retention_bytes="0")
    machine.pass_ms(10 * CHECK_MS)
    machine.append(partition)
    machine.flush()
    machine.pass_ms(10 * CHECK_MS)
    files = segment_files(machine, partition)
    machine.pass_ms(10 * CHECK_MS)
    assert segment_files(machine, partition) == files == [1]
    assert len([line for line in machine.told if line.startswith("event=retention")]) == 1


@pytest.mark.parametrize(
    ("retention_bytes", "start"),
    [(-1, 0), (8, 0), (6, 0), (5, 3), (3, 3), (2, 6), (1, 6), (0, 8)],
)
def test_by_size_at_least_retention_bytes_remain(retention_bytes: int, start: int) -> None:
    # Segments of 3, 3 and 2 batches: 8 in all (UnifiedLog.deleteRetentionSizeBreachedSegments).
    machine = started()
    kept = str(retention_bytes * BATCH_BYTES if retention_bytes >= 0 else -1)
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes=kept)
    machine.append(partition, 8)
    machine.flush()
    machine.pass_ms(FIRST_CHECK_MS)
    assert bounds(partition) == (start, 8)


def test_the_first_look_is_after_the_initial_delay_then_one_in_each_interval() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 3)
    machine.flush()
    machine.pass_ms(FIRST_CHECK_MS - 1)
    assert bounds(partition) == (0, 3)
    machine.pass_ms(1)
    assert bounds(partition) == (3, 3)
    machine.append(partition, 3)
    machine.flush()
    machine.pass_ms(CHECK_MS - 1)
    assert bounds(partition) == (3, 6)
    machine.pass_ms(1)
    assert bounds(partition) == (6, 6)


def test_a_changed_configuration_takes_effect_at_the_next_look() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT)
    machine.append(partition, 7)
    machine.flush()
    machine.pass_ms(CHECK_MS)
    assert bounds(partition) == (0, 7)
    texts = {"internal.segment.bytes": THREE_A_SEGMENT, "retention.bytes": "0"}
    partition.config = topic_config(texts, machine.config)
    machine.pass_ms(CHECK_MS)
    assert bounds(partition) == (7, 7)


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete"])
def test_only_a_policy_that_names_delete_deletes(policy: str) -> None:
    machine = started()
    partition = machine.partition(cleanup_policy=policy, retention_bytes="0", retention_ms="0")
    machine.append(partition, 3)
    machine.flush()
    machine.pass_ms(CHECK_MS)
    assert bounds(partition) == ((0, 3) if policy == "compact" else (3, 3))


def test_nothing_goes_beyond_the_high_watermark() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 4)
    machine.flush()
    machine.append(partition, 5)
    cut = cut_due(partition.log, partition.high_watermark, partition.config, NOW_MS)
    assert cut is not None
    assert cut.log_start_offset == 3, "the segment from 3 to 6 is not flushed yet"


def test_records_without_a_time_count_from_when_the_broker_saw_them() -> None:
    machine = started()
    partition = machine.partition(retention_ms="600000")
    assert isinstance(partition.produce(batch_at(-1), NOW_MS), Appended)
    machine.broker.appended(partition)
    machine.flush()
    machine.pass_ms(FIRST_CHECK_MS)
    machine.pass_ms(2 * CHECK_MS)
    assert bounds(partition) == (0, 1)
    machine.pass_ms(CHECK_MS)
    assert bounds(partition) == (1, 1)


def test_files_go_only_once_the_new_log_start_is_durable() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 7)
    machine.flush()
    machine.clock.passed_ms += CHECK_MS
    machine.broker.on_deadline(CHECK_MS)
    machine.broker.on_deadline(CHECK_MS)
    assert bounds(partition) == (7, 7), "readers are refused at once"
    assert segment_files(machine, partition) == [0, 3, 6, 7]
    machine.flush()
    assert segment_files(machine, partition) == [0, 3, 6, 7], "in a turn of its own"
    machine.pass_ms(0)
    assert segment_files(machine, partition) == [7]


def test_no_file_goes_after_a_failed_flush() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT)
    machine.append(partition, 7)
    machine.flush()
    assert machine.broker.delete_records(partition, 4) == 4
    machine.broker.commit.fail(machine.broker.begin_round())
    machine.clock.passed_ms += 1
    for _ in range(9):
        machine.broker.on_deadline(1)
    assert segment_files(machine, partition) == [0, 3, 6]


@pytest.mark.parametrize("steps", range(8))
def test_a_removal_that_a_crash_interrupts_is_finished_at_start(steps: int) -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 10)
    machine.flush()
    machine.clock.passed_ms += CHECK_MS
    machine.broker.on_deadline(CHECK_MS)
    machine.flush()
    for step in range(steps):
        machine.broker.on_deadline(CHECK_MS)
        if step < 2:
            machine.flush()
    machine.start()
    again = machine.partition()
    assert bounds(again) == (10, 10)
    if steps > 1:  # what goes had been noted
        assert segment_files(machine, again) == [10]
    machine.pass_ms(CHECK_MS)
    assert segment_files(machine, again) == [10]
    machine.append(again)
    assert bounds(again) == (10, 11)


def test_a_round_through_many_partitions_is_spread_over_turns() -> None:
    machine = started()
    for number in range(2 * LOOKS_A_TURN):
        for index in (0, 1):
            partition = machine.partition(f"t{number}", index, retention_bytes="0")
            machine.append(partition)
    machine.flush()
    machine.clock.passed_ms += FIRST_CHECK_MS
    begun = []
    for _ in range(4):
        machine.broker.on_deadline(FIRST_CHECK_MS)
        partitions = machine.broker.partitions.values()
        begun.append(sum(each.log.log_start_offset for each in partitions))
        assert machine.broker._retention.next_deadline_ms() == (
            FIRST_CHECK_MS if len(begun) < 4 else 300_000 + FIRST_CHECK_MS
        )
    assert begun == [LOOKS_A_TURN * turn for turn in range(1, 5)]


def test_a_partition_that_was_deleted_meanwhile_is_passed_over() -> None:
    machine = started()
    old = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(old, 7)
    machine.flush()
    machine.clock.passed_ms += CHECK_MS
    machine.broker.on_deadline(CHECK_MS)
    machine.flush()
    machine.broker.on_deadline(CHECK_MS)
    finished(machine.broker.delete_topics(["orders"]))
    new = machine.partition(internal_segment_bytes=THREE_A_SEGMENT)
    machine.append(new, 7)
    machine.pass_ms(CHECK_MS)
    assert bounds(new) == (0, 7), "the log starts of the topic before it do not count"
    assert segment_files(machine, new) == [0, 3, 6]
    machine.start()
    assert bounds(machine.partition()) == (0, 7)


def test_what_was_let_go_is_told() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 4)
    machine.flush()
    machine.pass_ms(CHECK_MS)
    (line,) = [each for each in machine.told if each.startswith("event=retention")]
    assert line == (
        "event=retention partition=orders-0 reason=retention.bytes segments=2 "
        f"bytes={4 * BATCH_BYTES} log_start_offset=4"
    )


def test_a_retry_is_recognised_though_its_segment_is_gone() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_ms="600000")
    machine.append(partition, 7, producer_id=5)
    machine.flush()
    machine.pass_ms(3 * CHECK_MS)
    assert bounds(partition) == (7, 7)
    retry = batch_at(NOW_MS, 5, 4)
    assert partition.produce(retry, NOW_MS) == Duplicate(4, 5, NOW_MS)


def test_delete_records_answers_as_kafka_does() -> None:
    machine = started()
    partition = machine.partition()
    machine.append(partition, 7)
    machine.flush()
    machine.append(partition, 2)  # beyond the high watermark
    for offset in (8, 10**12, -2, -(10**12)):
        answer = machine.broker.delete_records(partition, offset)
        assert isinstance(answer, Refused)
        assert answer.code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert machine.broker.delete_records(partition, 3) == 3
    assert machine.broker.delete_records(partition, 0) == 3
    assert machine.broker.delete_records(partition, 3) == 3
    assert machine.broker.delete_records(partition, -1) == 7
    machine.flush()
    assert machine.broker.delete_records(partition, 9) == 9
    assert bounds(partition) == (9, 9)


def test_delete_records_is_refused_for_a_topic_that_is_only_compacted() -> None:
    machine = started()
    partition = machine.partition(cleanup_policy="compact")
    answer = machine.broker.delete_records(partition, 0)
    assert isinstance(answer, Refused)
    assert answer.code == ErrorCode.POLICY_VIOLATION


def test_delete_records_is_answered_when_it_is_durable_and_holds_from_then_on() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT)
    machine.append(partition, 7)
    machine.flush()
    machine.broker.delete_records(partition, 5)
    promise = machine.broker.when_durable("done", lambda: "refused")
    assert isinstance(promise, Promise)
    assert promise.message is None
    machine.flush()
    assert promise.message == "done"
    assert bounds(machine.partition()) == (5, 7)
    for _ in range(3):
        machine.start()
        assert bounds(machine.partition()) == (5, 7)
    machine.pass_ms(CHECK_MS)
    assert segment_bases(machine.partition()) == [3, 6]


def test_segments_below_a_deleted_offset_go_at_once() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT)
    machine.append(partition, 7)
    machine.flush()
    machine.broker.delete_records(partition, 5)
    machine.flush()
    machine.pass_ms(0)
    assert segment_files(machine, partition) == [3, 6]


def test_nothing_moves_when_it_cannot_be_written() -> None:
    machine = started()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 7)
    machine.flush()
    machine.storage.remove("__cluster_metadata-0/" + "0" * 20 + ".log")
    log = machine.broker._metadata.log
    log.close()
    with pytest.raises(StorageError):
        machine.broker.delete_records(partition, 5)
    machine.pass_ms(CHECK_MS)
    assert bounds(partition) == (0, 7)
    assert "event=retention-put-off" in machine.warned[-1]


def test_log_starts_survive_a_rewrite_of_the_metadata_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minibroker.broker.log.state_log.REWRITE_SLACK", 0)
    monkeypatch.setattr("minibroker.broker.log.state_log.REWRITE_FACTOR", 0)
    machine = started()
    partition = machine.partition(index=1)
    machine.append(partition, 7)
    machine.flush()
    machine.broker.delete_records(partition, 5)
    machine.flush()
    for _ in range(3):
        machine.start()
        assert bounds(machine.partition(index=1)) == (5, 7)


def test_in_memory_it_is_all_the_same() -> None:
    machine = started(durability="memory")
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 7)
    assert machine.broker.delete_records(partition, 4) == 4
    assert machine.broker.when_durable("done", lambda: "refused") == "done"
    machine.pass_ms(CHECK_MS)
    assert bounds(partition) == (7, 7)
    assert segment_files(machine, partition) == [7]


def test_on_the_real_disk(tmp_path: Any) -> None:
    storage = FileStorage(str(tmp_path))
    machine = Machine(storage)
    machine.start()
    partition = machine.partition(internal_segment_bytes=THREE_A_SEGMENT, retention_bytes="0")
    machine.append(partition, 7)
    machine.flush()
    machine.pass_ms(CHECK_MS)
    assert segment_files(machine, partition) == [7]
    machine.broker.close()
    machine.start()
    assert bounds(machine.partition()) == (7, 7)
    storage.close()
