"""What is on disk after a crash: torn tails are cut and told, anything else refuses to start."""

from __future__ import annotations

import pytest
from minibroker.broker.log import recovery
from minibroker.broker.log.identity import METADATA_NAME
from minibroker.broker.log.log import LogConfig
from minibroker.broker.storage.port import DamagedLog, Storage
from minibroker.protocol.batch.header import BatchHeader

from tests.support.records.logs import (
    DIRECTORY,
    append,
    batch_of,
    open_log,
    read_all,
    segment_names,
    stamped,
)

ONE = batch_of(1000)
SIZE = len(ONE)
THREE_A_SEGMENT = LogConfig(segment_bytes=3 * SIZE)
STORED = [stamped(ONE, offset) for offset in range(20)]


def path_of(base_offset: int) -> str:
    return f"{DIRECTORY}/{base_offset:020d}.log"


def put(storage: Storage, **segments: bytes) -> None:
    """Put segment files in place: at_0=bytes, at_3=bytes, …"""
    storage.make_dirs(DIRECTORY)
    for name, data in segments.items():
        storage.create_file(path_of(int(name[3:]))).append([data])


def batches(first: int, end: int) -> bytes:
    return b"".join(STORED[first:end])


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize("left", [1, 60, 61, SIZE - 1])
def test_a_batch_cut_short_is_cut_off_and_told(storage: Storage, left: int) -> None:
    put(storage, at_0=batches(0, 3), at_3=batches(3, 5) + STORED[5][:left])
    seen: list[BatchHeader] = []
    log = open_log(storage, THREE_A_SEGMENT, seen)
    assert log.log_end_offset == len(seen) == 5
    report = log.recovery
    assert report is not None
    assert (report.offset, report.position, report.bytes_cut) == (5, 2 * SIZE, left)
    told = f"orders-0/{3:020d}.log: cut {left} bytes from byte {2 * SIZE} on"
    assert told in str(report)
    assert storage.read_bytes(path_of(3)) == batches(3, 5)
    assert append(log, ONE) == 5
    assert read_all(log) == STORED[:6]
    log.close()
    assert open_log(storage).recovery is None


@pytest.mark.parametrize(
    "tail",
    [
        bytes(5000),
        b"\xff" * 300,
        b"\x02" * 300,
        flipped(STORED[2], SIZE - 1),
        STORED[2][:-5] + bytes(5),
    ],
    ids=["zeros", "ones", "magics", "bad CRC", "zeros at the end"],
)
def test_a_tail_without_a_later_valid_batch_is_cut(storage: Storage, tail: bytes) -> None:
    put(storage, at_0=batches(0, 2) + tail)
    log = open_log(storage)
    assert log.recovery is not None
    assert log.recovery.bytes_cut == len(tail)
    assert read_all(log) == STORED[:2]


# Every field of the header, and a record: base offset, length, leader epoch, magic, CRC, …
@pytest.mark.parametrize("position", [0, 7, 8, 10, 11, 12, 16, 17, 21, 26, 57, SIZE - 1])
def test_damage_before_valid_batches_refuses_to_start(storage: Storage, position: int) -> None:
    data = flipped(batches(0, 5), 2 * SIZE + position)
    put(storage, at_0=data)
    with pytest.raises(DamagedLog, match=r"\.log: damaged at byte \d+: .* Put back a good copy"):
        open_log(storage)
    assert storage.read_bytes(path_of(0)) == data, "nothing was changed"


def test_damage_says_where_it_begins_and_where_good_batches_follow(storage: Storage) -> None:
    put(storage, at_0=flipped(batches(0, 5), 3 * SIZE - 1))
    told = rf"{0:020d}\.log: damaged at byte {2 * SIZE}: .*CRC is wrong.* at byte {3 * SIZE}\."
    with pytest.raises(DamagedLog, match=told):
        open_log(storage)


@pytest.mark.parametrize("offset", [0, 1, 3])
def test_a_last_batch_with_a_good_crc_and_a_wrong_offset_is_damage(
    storage: Storage, offset: int
) -> None:
    # No torn write leaves a right CRC: this batch may have been acknowledged.
    put(storage, at_0=batches(0, 2) + STORED[offset])
    with pytest.raises(DamagedLog, match=f"is {offset}, but 2 must follow.*its CRC is right"):
        open_log(storage)


def test_a_leader_epoch_that_goes_back_is_damage(storage: Storage) -> None:
    put(storage, at_0=stamped(ONE, 0, 5) + stamped(ONE, 1, 4))
    with pytest.raises(DamagedLog, match="its leader epoch is 4, after 5"):
        open_log(storage)


def test_damage_in_an_earlier_segment_refuses_to_start(storage: Storage) -> None:
    put(storage, at_0=flipped(batches(0, 3), 3 * SIZE - 1), at_3=batches(3, 5))
    with pytest.raises(DamagedLog, match=rf"{0:020d}\.log: damaged at byte {2 * SIZE}: .*CRC"):
        open_log(storage)


def test_an_earlier_segment_cut_short_refuses_to_start(storage: Storage) -> None:
    put(storage, at_0=batches(0, 2) + STORED[2][:40], at_3=batches(3, 5))
    with pytest.raises(DamagedLog, match="later segments hold more"):
        open_log(storage)


def test_a_missing_segment_refuses_to_start(storage: Storage) -> None:
    put(storage, at_0=batches(0, 3), at_6=batches(6, 7))
    with pytest.raises(DamagedLog, match=rf"{0:020d}\.log: .* 3 must follow, but .* begins at 6"):
        open_log(storage)


def test_an_empty_last_segment_is_where_the_log_goes_on(storage: Storage) -> None:
    put(storage, at_0=batches(0, 3), at_3=b"")
    log = open_log(storage)
    assert log.recovery is None
    assert append(log, ONE) == 3
    assert storage.read_bytes(path_of(3)) == STORED[3]


def test_an_empty_segment_behind_a_torn_one_goes_with_the_tail(storage: Storage) -> None:
    # 1. append to segment 0, not flushed 2. roll to segment 3 3. power loss takes the end of 0
    put(storage, at_0=batches(0, 2) + STORED[2][:40], at_3=b"")
    log = open_log(storage)
    assert log.recovery is not None
    assert log.recovery.bytes_cut == 40
    assert segment_names(storage) == [f"{0:020d}.log"]
    assert append(log, ONE) == 2


def test_an_empty_segment_with_a_name_too_far_on_is_removed_and_told(storage: Storage) -> None:
    # The same, but what was lost is exactly one batch.
    put(storage, at_0=batches(0, 2), at_3=b"")
    log = open_log(storage)
    assert log.recovery is not None
    assert "its name says 3, but 2 must follow" in str(log.recovery)
    assert segment_names(storage) == [f"{0:020d}.log"]
    assert append(log, ONE) == 2


def test_other_files_in_the_directory_are_left_alone(storage: Storage) -> None:
    put(storage, at_0=batches(0, 2))
    for name in ("notes.log", "00000000000000000002.log.bak", "2.log"):
        storage.create_file(f"{DIRECTORY}/{name}").append([b"?"])
    assert open_log(storage).log_end_offset == 2
    assert len(storage.list_dir(DIRECTORY)) == 4 + len([METADATA_NAME])


def test_stale_indexes_are_removed_with_a_torn_tail(storage: Storage) -> None:
    put(storage, at_0=batches(0, 3))
    log = open_log(storage, LogConfig(index_interval_bytes=0))
    append(log, ONE)
    log.close()
    assert segment_names(storage, "index")
    storage.open_file(path_of(0)).truncate(4 * SIZE - 1)
    open_log(storage)
    assert not segment_names(storage, "index")


def test_missing_indexes_of_older_segments_are_written_anew(storage: Storage) -> None:
    config = LogConfig(segment_bytes=6 * SIZE, index_interval_bytes=SIZE)
    log = open_log(storage, config)
    for _ in range(7):
        append(log, ONE)
    log.close()
    index = storage.read_bytes(f"{DIRECTORY}/{0:020d}.index")
    assert index
    storage.remove(f"{DIRECTORY}/{0:020d}.index")
    open_log(storage, config)
    assert storage.read_bytes(f"{DIRECTORY}/{0:020d}.index") == index


def test_the_first_segment_may_begin_at_any_offset(storage: Storage) -> None:
    put(storage, at_7=batches(7, 9), at_9=batches(9, 10))
    log = open_log(storage)
    assert (log.log_start_offset, log.log_end_offset) == (7, 10)


@pytest.mark.parametrize("chunk_bytes", [61, 100, SIZE, 3 * SIZE + 7])
def test_batches_across_and_larger_than_the_chunks_read_are_whole(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(recovery, "_CHUNK_BYTES", chunk_bytes)
    large = stamped(batch_of(1, value=b"v" * 1000), 2)
    torn = STORED[3][:50]
    put(storage, at_0=batches(0, 2) + large + torn)
    log = open_log(storage)
    assert read_all(log) == [*STORED[:2], large]
    put(storage, at_0=batches(0, 2) + flipped(large, 500) + STORED[3])
    with pytest.raises(DamagedLog, match=f"whole one begins at byte {2 * SIZE + len(large)}"):
        open_log(storage)
