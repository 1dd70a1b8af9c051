"""One log: append, roll, whole-batch reads, what is to be flushed, dropping and deleting."""

from __future__ import annotations

import pytest
from minibroker.broker.log.identity import deleted_id, doomed_name, read_topic_id
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.storage.port import File, Storage, StorageError
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.batch.header import BatchHeader, headers_in, read_header

from tests.support.records.logs import (
    DIRECTORY,
    TOPIC_ID,
    append,
    batch_of,
    open_log,
    read_all,
    remove_before,
    segment_names,
    stamped,
)

ONE = batch_of(1000)
SMALL_SEGMENTS = LogConfig(segment_bytes=3 * len(ONE))


def filled(storage: Storage, count: int, config: LogConfig | None = None) -> Log:
    log = open_log(storage, config)
    for number in range(count):
        assert append(log, batch_of(1000 + number)) == number
    return log


def test_an_empty_log_has_nothing_on_disk(storage: Storage) -> None:
    log = open_log(storage)
    assert (log.log_start_offset, log.log_end_offset, log.latest_epoch) == (0, 0, -1)
    assert log.read(0, 0, 1000) == b""
    assert finished(log.find_timestamp(0, 0)) is None
    assert finished(log.max_timestamp(0)) is None
    assert log.dirty_files() == []
    log.roll()
    log.close()
    assert not log.delete()
    assert not storage.exists(DIRECTORY)


def test_appended_batches_are_stamped_and_read_back_as_they_are(storage: Storage) -> None:
    log = open_log(storage)
    batches = [batch_of(1, 2, 3), batch_of(4), batch_of(5, 6)]
    assert [append(log, batch, leader_epoch=7) for batch in batches] == [0, 3, 4]
    assert log.log_end_offset == 6
    expected = [stamped(b, at, 7) for b, at in zip(batches, (0, 3, 4), strict=True)]
    assert log.read(0, 6, 10_000) == b"".join(expected)
    assert storage.read_bytes(f"{DIRECTORY}/{0:020d}.log") == b"".join(expected)
    assert log.size_bytes == sum(map(len, expected))
    assert log.latest_epoch == 7


def test_a_read_begins_with_the_batch_that_contains_the_offset(storage: Storage) -> None:
    log = open_log(storage)
    for timestamps in ((1, 2, 3), (4, 5, 6)):
        append(log, batch_of(*timestamps))
    for offset in (3, 4, 5):
        assert read_header(log.read(offset, 6, 1)).base_offset == 3


def test_a_read_gives_whole_batches_up_to_max_bytes_but_always_one(storage: Storage) -> None:
    log = filled(storage, 10)
    size = len(ONE)
    sizes = [len(log.read(2, 10, limit)) // size for limit in (0, 1, size, 2 * size - 1, 3 * size)]
    assert sizes == [1, 1, 1, 1, 3]
    assert len(log.read(8, 10, 100 * size)) == 2 * size


def test_a_read_stops_at_the_end_that_readers_may_see(storage: Storage) -> None:
    log = filled(storage, 10)
    assert len(log.read(2, 5, 10_000)) == 3 * len(ONE)
    assert log.read(5, 5, 10_000) == b""
    assert log.read(7, 5, 10_000) == b""
    two = batch_of(1, 2)
    append(log, two)
    assert log.read(10, 11, 10_000) == b"", "a batch that is not wholly below the end"


def test_readers_side_by_side_do_not_disturb_each_other(storage: Storage) -> None:
    log = filled(storage, 300)
    offsets = list(range(40))
    for _ in range(6):
        for reader, offset in enumerate(offsets):
            data = log.read(offset, 300, 2 * len(ONE))
            assert [header.base_offset for _, header in headers_in(data)] == [offset, offset + 1]
            offsets[reader] = offset + 2


def test_a_reader_at_the_end_goes_on_in_the_next_segment(storage: Storage) -> None:
    log = filled(storage, 3)
    assert len(log.read(0, 3, 10_000)) == 3 * len(ONE)
    log.roll()
    assert append(log, ONE) == 3
    assert log.read(3, 4, 10_000) == stamped(ONE, 3)


def test_segments_roll_before_they_grow_too_large(storage: Storage) -> None:
    log = filled(storage, 10, SMALL_SEGMENTS)
    assert segment_names(storage) == [f"{base:020d}.log" for base in (0, 3, 6, 9)]
    assert [len(log.read(offset, 10, 10_000)) // len(ONE) for offset in (0, 2, 5, 9)] == [
        3,
        1,
        1,
        1,
    ]
    assert len(read_all(log)) == 10


def test_a_batch_larger_than_a_segment_gets_one_of_its_own(storage: Storage) -> None:
    log = open_log(storage, LogConfig(segment_bytes=10))
    assert [append(log, batch_of(1)), append(log, batch_of(2))] == [0, 1]
    assert len(segment_names(storage)) == 2


def test_segments_roll_by_the_timestamps_of_their_batches(storage: Storage) -> None:
    log = open_log(storage, LogConfig(segment_ms=100))
    for timestamp in (1000, 1100, 900, 1101, 1050):
        append(log, batch_of(timestamp), now_ms=10**12)
    assert segment_names(storage) == [f"{base:020d}.log" for base in (0, 3)]


def test_segments_without_timestamps_roll_by_the_clock(storage: Storage) -> None:
    log = open_log(storage, LogConfig(segment_ms=100))
    for now_ms in (5000, 5050, 5150, 5151):
        append(log, batch_of(-1), now_ms=now_ms)
    assert segment_names(storage) == [f"{base:020d}.log" for base in (0, 3)]


def test_segments_roll_when_an_index_is_full(storage: Storage) -> None:
    log = open_log(storage, LogConfig(index_interval_bytes=0, segment_index_bytes=3 * 12))
    for timestamp in range(8):
        append(log, batch_of(timestamp))
    # The first batch has no entry; two time entries, and the third is kept for the roll.
    assert segment_names(storage) == [f"{base:020d}.log" for base in (0, 3, 6)]
    times = storage.read_bytes(f"{DIRECTORY}/{0:020d}.timeindex")
    assert len(times) == 2 * 12


def test_segments_roll_when_a_relative_offset_would_not_fit(storage: Storage) -> None:
    log = open_log(storage)
    wide = read_header(ONE)._replace(last_offset_delta=2**31 - 2)
    log.append(wide, ONE, 0, 0)
    assert append(log, ONE) == 2**31 - 1, "the last that fits"
    assert append(log, ONE) == 2**31
    assert segment_names(storage) == [f"{base:020d}.log" for base in (0, 2**31)]


def test_index_entries_come_once_an_interval_and_never_for_the_first_batch(
    storage: Storage,
) -> None:
    size = len(ONE)
    log = filled(storage, 8, LogConfig(index_interval_bytes=2 * size))
    log.close()
    index = storage.read_bytes(f"{DIRECTORY}/{0:020d}.index")
    entries = [
        (int.from_bytes(index[at : at + 4]), int.from_bytes(index[at + 4 : at + 8]))
        for at in range(0, len(index), 8)
    ]
    # More than two batches since the last entry, before this one (LogSegment.append).
    assert entries == [(3, 3 * size), (6, 6 * size)]
    times = storage.read_bytes(f"{DIRECTORY}/{0:020d}.timeindex")
    assert len(times) == 3 * 12, "one for each, and one for the end"
    assert times[-12:] == (1007).to_bytes(8) + (7).to_bytes(4)


def test_a_log_goes_on_after_it_was_closed_and_opened_again(storage: Storage) -> None:
    log = filled(storage, 10, SMALL_SEGMENTS)
    before = read_all(log)
    log.close()
    seen: list[BatchHeader] = []
    again = open_log(storage, SMALL_SEGMENTS, seen)
    assert [header.base_offset for header in seen] == list(range(10))
    assert again.recovery is None
    assert read_all(again) == before
    assert append(again, ONE, leader_epoch=1) == 10
    assert again.epoch_end_offset(0) == (0, 10)
    assert again.epoch_end_offset(1) == (1, 11)


def test_the_directory_says_which_topic_it_belongs_to(storage: Storage) -> None:
    assert read_topic_id(storage, DIRECTORY) is None
    filled(storage, 1)
    path = f"{DIRECTORY}/partition.metadata"
    assert storage.read_bytes(path) == b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"
    assert read_topic_id(storage, DIRECTORY) == TOPIC_ID
    for torn in (b"", b"version: 0\ntopic_id: AAEC", b"version: 0\ntopic_id: A"):
        storage.replace(path, torn)
        assert read_topic_id(storage, DIRECTORY) is None


def test_each_written_file_is_handed_over_once_to_be_flushed(storage: Storage) -> None:
    def names() -> list[str]:
        return [file.path.rpartition("/")[2] for file in log.dirty_files()]

    log = filled(storage, 2, SMALL_SEGMENTS)
    assert names() == ["partition.metadata", f"{0:020d}.log"]
    assert names() == []
    append(log, ONE)
    append(log, ONE)
    append(log, ONE)
    rolled = [f"{0:020d}{suffix}" for suffix in (".log", ".index", ".timeindex", ".summary")]
    assert names() == [*rolled, f"{3:020d}.log"]
    append(log, ONE)
    assert names() == [f"{3:020d}.log"]


def test_old_segments_are_dropped_whole_and_the_log_start_moves(storage: Storage) -> None:
    log = open_log(storage, SMALL_SEGMENTS)
    for number in range(10):
        append(log, batch_of(1000 + number), leader_epoch=number // 4)
    remove_before(log, 5)
    assert (log.log_start_offset, log.log_end_offset) == (5, 10)
    assert log.epoch_end_offset(0) == (0, 5)
    assert segment_names(storage, "") == sorted(
        [
            f"{base:020d}{suffix}"
            for base in (3, 6)
            for suffix in (".index", ".log", ".summary", ".timeindex")
        ]
        + [f"{9:020d}.log", "partition.metadata"]
    )
    remove_before(log, 9)
    assert log.epoch_end_offset(0) == (0, 9)
    assert finished(log.find_timestamp(0, 10)) is not None
    remove_before(log, 10)
    assert segment_names(storage) == [f"{9:020d}.log"], "the active segment stays"
    assert finished(log.find_timestamp(0, 10)) is None
    assert finished(log.max_timestamp(10)) is None
    for file in log.dirty_files():
        file.flush()
    log.close()
    again = open_log(storage, SMALL_SEGMENTS)
    assert (again.log_start_offset, again.log_end_offset) == (9, 10), "without the durable start"
    again.close()
    again = open_log(storage, SMALL_SEGMENTS, log_start_offset=10)
    assert (again.log_start_offset, again.log_end_offset) == (10, 10)
    assert again.epoch_end_offset(1) == log.epoch_end_offset(1)


def test_roll_begins_a_segment_at_the_log_end_unless_there_is_one(storage: Storage) -> None:
    log = filled(storage, 2)
    log.roll()
    log.roll()
    assert segment_names(storage) == [f"{base:020d}.log" for base in (0, 2)]
    remove_before(log, 2)
    assert (log.log_start_offset, log.log_end_offset) == (2, 2)
    log.close()
    again = open_log(storage)
    assert (again.log_start_offset, again.log_end_offset) == (2, 2)
    assert append(again, ONE) == 2


def test_a_directory_is_renamed_while_its_files_are_being_flushed(storage: Storage) -> None:
    log = filled(storage, 10, SMALL_SEGMENTS)
    files = log.dirty_files()
    [(directory, topic_id)] = log.delete()
    doomed = doomed_name(directory, topic_id)
    storage.rename(directory, doomed)
    for file in files:
        file.flush()
    assert not storage.exists(DIRECTORY)
    storage.remove_tree(doomed)
    assert not [name for name in storage.list_dir("") if name != ".lock"]


def test_a_long_topic_name_can_be_deleted_too(storage: Storage) -> None:
    log = Log.open(storage, "t" * 249 + "-12", LogConfig(), lambda _: None, TOPIC_ID)
    append(log, ONE)
    [(directory, topic_id)] = log.delete()
    doomed = doomed_name(directory, topic_id)
    assert deleted_id(doomed) == TOPIC_ID
    storage.rename(directory, doomed)
    storage.remove_tree(doomed)
    assert not [name for name in storage.list_dir("") if name != ".lock"]


def test_a_leader_epoch_never_goes_back(storage: Storage) -> None:
    log = open_log(storage)
    append(log, ONE, leader_epoch=5)
    with pytest.raises(StorageError, match="has leader epoch 5, ours is 4"):
        append(log, ONE, leader_epoch=4)
    assert log.log_end_offset == 1


def test_a_file_that_lost_its_end_is_an_error_not_a_short_answer(storage: Storage) -> None:
    log = filled(storage, 3)
    storage.open_file(f"{DIRECTORY}/{0:020d}.log").truncate(len(ONE))
    with pytest.raises(StorageError, match="ends at byte"):
        log.read(0, 3, 10_000)


def test_the_names_of_a_new_logs_first_segment_are_durable_before_there_is_a_second(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    create_file, flush_names = storage.create_file, storage.flush_names

    def created(path: str) -> File:
        done.append(path.rpartition("/")[2])
        return create_file(path)

    def flushed(path: str = "") -> None:
        done.append(f"names in {path}")
        flush_names(path)

    monkeypatch.setattr(storage, "create_file", created)
    monkeypatch.setattr(storage, "flush_names", flushed)
    filled(storage, 7, SMALL_SEGMENTS)
    assert [each for each in done if each.endswith(".log") or "names" in each] == [
        f"{0:020d}.log",
        f"names in {DIRECTORY}",
        f"{3:020d}.log",
        f"{6:020d}.log",
    ]
