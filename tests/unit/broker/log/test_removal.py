"""Segments below the log start: removed step by step, and finished at start after any crash."""

from __future__ import annotations

from itertools import product

import pytest
from minibroker.broker.log.log import LogConfig
from minibroker.broker.storage.port import Storage, StorageError

from tests.support.records.logs import (
    DIRECTORY,
    append,
    batch_of,
    open_log,
    read_all,
    remove_before,
    segment_names,
    stamped,
)

ONE = batch_of(1000)
CONFIG = LogConfig(segment_bytes=3 * len(ONE), index_interval_bytes=0)
NAMES = [f"{base:020d}.log" for base in (0, 3, 6, 9)]


def fill(storage: Storage) -> None:
    """Offsets 0 to 9 in segments of three."""
    log = open_log(storage, CONFIG)
    for _ in range(10):
        append(log, ONE)
    log.close()


def test_one_step_removes_a_bounded_number_of_bytes(storage: Storage) -> None:
    fill(storage)
    log = open_log(storage, CONFIG, log_start_offset=3, removed_offset=3)
    log.raise_start(6)
    sizes = []
    while log.remove_before(log.log_start_offset, len(ONE)):
        sizes.append(
            sum(
                len(storage.read_bytes(f"{DIRECTORY}/{n}"))
                for n in NAMES[1:2]
                if n in segment_names(storage)
            )
        )
    assert sizes == [2 * len(ONE), len(ONE), 0]
    assert segment_names(storage) == NAMES[2:]
    assert read_all(log) == [stamped(ONE, offset) for offset in range(6, 10)]


def test_reading_goes_on_beside_a_removal(storage: Storage) -> None:
    fill(storage)
    log = open_log(storage, CONFIG)
    log.raise_start(7)
    while log.remove_before(log.log_start_offset, len(ONE)):
        assert read_all(log) == [stamped(ONE, offset) for offset in range(7, 10)]
        append(log, ONE)
        log.raise_start(8)
        assert log.read(8, 10, 1) == stamped(ONE, 8)
        break
    assert [segment.base_offset for segment in log.segments] == [3, 6, 9]


@pytest.mark.parametrize("left", [*product((False, True), repeat=3)], ids=str)
@pytest.mark.parametrize("cut", [0, 1, 100])
def test_whatever_a_crash_left_of_a_removal_is_removed_at_start(
    storage: Storage, left: tuple[bool, ...], cut: int
) -> None:
    fill(storage)
    for name, is_left in zip(NAMES, left, strict=False):
        path = f"{DIRECTORY}/{name}"
        if not is_left:
            storage.remove(path)
        elif cut:
            storage.open_file(path).truncate(cut)
    log = open_log(storage, CONFIG, log_start_offset=9, removed_offset=9)
    assert log.recovery is None
    assert (log.log_start_offset, log.log_end_offset) == (9, 10)
    begins = {name[:20] for name in storage.list_dir(DIRECTORY) if name != "partition.metadata"}
    assert begins == {NAMES[3][:20]}


def test_index_files_whose_log_is_gone_are_removed_with_it(storage: Storage) -> None:
    fill(storage)
    storage.remove(f"{DIRECTORY}/{NAMES[0]}")
    assert segment_names(storage, ".index")[0] == f"{0:020d}.index"
    open_log(storage, CONFIG, log_start_offset=4, removed_offset=4)
    assert segment_names(storage, ".index")[0] == f"{3:020d}.index"


def test_a_log_that_lost_everything_from_its_start_on_never_gives_an_offset_twice(
    storage: Storage,
) -> None:
    fill(storage)
    log = open_log(storage, CONFIG, log_start_offset=12, removed_offset=12)
    assert (log.log_start_offset, log.log_end_offset) == (12, 12)
    assert "ends at offset 10, but all before 12 has been deleted" in log.notes[0]
    assert segment_names(storage) == []
    assert append(log, ONE) == 12
    log.close()
    again = open_log(storage, CONFIG, log_start_offset=12, removed_offset=12)
    assert read_all(again) == [stamped(ONE, 12)]


def test_a_log_without_files_begins_at_its_durable_start(storage: Storage) -> None:
    log = open_log(storage, CONFIG, log_start_offset=5, removed_offset=5)
    assert (log.log_start_offset, log.log_end_offset) == (5, 5)
    assert log.read(5, 5, 100) == b""
    assert append(log, ONE) == 5


def test_a_removal_that_fails_is_tried_again(storage: Storage) -> None:
    fill(storage)
    log = open_log(storage, CONFIG)
    log.raise_start(3)
    storage.rename(f"{DIRECTORY}/{NAMES[0]}", "elsewhere")
    with pytest.raises(StorageError):
        log.remove_before(log.log_start_offset, 10)
    storage.rename("elsewhere", f"{DIRECTORY}/{NAMES[0]}")
    assert log.remove_before(log.log_start_offset, 10)


def test_a_deleted_log_removes_nothing_more(storage: Storage) -> None:
    fill(storage)
    log = open_log(storage, CONFIG)
    log.raise_start(6)
    log.remove_before(log.log_start_offset, len(ONE))
    [(directory, _)] = log.delete()
    storage.rename(directory, "gone")
    fill(storage)  # a topic of the same name
    assert not log.remove_before(log.log_start_offset, 10**9)
    assert segment_names(storage) == NAMES


def test_the_active_segment_stays(storage: Storage) -> None:
    fill(storage)
    log = open_log(storage, CONFIG)
    remove_before(log, 10)
    assert segment_names(storage) == NAMES[3:]
    assert append(log, ONE) == 10
