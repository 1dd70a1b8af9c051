"""Producer-state snapshots: when they are taken, believed and rejected, and what they spare."""

from __future__ import annotations

import struct

import pytest
from minibroker.broker.log import snapshots
from minibroker.broker.log.recovery import Known
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.broker.storage.port import File, NewerFormat, Storage, StorageError
from minibroker.protocol.errors import Refused

from tests.support.records.logs import DIRECTORY, segment_names
from tests.support.records.partitions import NOW_MS, OnePartition


def snapshot_names(storage: Storage) -> list[int]:
    return [int(name[:20]) for name in segment_names(storage, ".producers")]


def path_of(offset: int) -> str:
    return f"{DIRECTORY}/{offset:020d}.producers"


def put(storage: Storage, path: str, data: bytes) -> None:
    file = storage.create_file(path)
    file.append([data])
    file.close()


def drop(one: OnePartition, offset: int) -> int:
    """Let the log begin at an offset; returns where its oldest segment begins then."""
    one.log.raise_start(offset)
    removable_offset = one.partition.removable_offset()
    while one.log.remove_before(removable_offset, 10**6):
        pass
    return one.log.segments[0].base_offset


def test_a_snapshot_is_taken_at_each_roll_and_two_are_kept(storage: Storage) -> None:
    one = OnePartition(storage)
    for sequence in range(10):
        one.send(7, sequence)
    assert snapshot_names(storage) == [6, 9]
    one.log.close()
    again = OnePartition(storage)
    assert again.replayed == [], "closing has taken one of the log end"
    assert snapshot_names(storage) == [9, 10]


def test_after_any_stop_each_of_the_five_newest_batches_is_known(storage: Storage) -> None:
    one = OnePartition(storage, batches_a_segment=7)
    for sequence in range(20):
        assert one.send(7, sequence) == sequence
    crashed = OnePartition(storage, batches_a_segment=7)
    assert crashed.replayed == [14, 15, 16, 17, 18, 19], "those above the snapshot"
    known = crashed.stop()
    stopped = OnePartition(storage, batches_a_segment=7, known=known)
    assert stopped.replayed == []
    for opened in (crashed, stopped):
        for sequence in range(15, 20):
            answer = opened.answer(7, sequence)
            assert isinstance(answer, Duplicate)
            assert answer.base_offset == sequence
        assert isinstance(opened.answer(7, 14), Refused), "the sixth is forgotten"
    assert stopped.send(7, 20) == 20


def test_receive_times_are_kept_and_replayed_batches_have_that_of_the_start(
    storage: Storage,
) -> None:
    one = OnePartition(storage, batches_a_segment=2)
    one.send(7, 0)
    one.send(7, 1)
    one.now_ms += 300
    one.send(8, 0)
    again = OnePartition(storage, batches_a_segment=2, now_ms=5000)
    times = {each.producer_id: each.seen_at_ms for each in again.partition.sequences.producers()}
    assert times == {7: 4700, 8: 5000}


def test_without_a_snapshot_the_whole_log_is_replayed(storage: Storage) -> None:
    one = OnePartition(storage)
    for sequence in range(8):
        one.send(7, sequence)
    for offset in snapshot_names(storage):
        storage.remove(path_of(offset))
    again = OnePartition(storage, known=Known(flushed_offset=8))
    assert again.replayed == list(range(8))
    assert again.send(7, 4) == 4


@pytest.mark.parametrize("position", [0, 5, 9, 20, 60, -1])
def test_a_damaged_snapshot_is_removed_and_an_older_one_taken(
    storage: Storage, position: int
) -> None:
    one = OnePartition(storage)
    for sequence in range(8):
        one.send(7, sequence)
    data = bytearray(storage.read_bytes(path_of(6)))
    data[position] ^= 1
    put(storage, path_of(6), bytes(data))
    again = OnePartition(storage)
    assert again.replayed == [3, 4, 5, 6, 7]
    assert again.log.notes == [f"{path_of(6)}: damaged; removed"]
    assert snapshot_names(storage) == [3]
    assert again.send(7, 3) == 3


def test_every_cut_of_a_snapshot_is_seen(storage: Storage) -> None:
    one = OnePartition(storage)
    for sequence in range(4):
        one.send(7, sequence)
    data = storage.read_bytes(path_of(3))
    for end in range(len(data)):
        put(storage, path_of(3), data[:end])
        assert OnePartition(storage).replayed == [0, 1, 2, 3]


def test_a_snapshot_of_a_log_that_was_written_on_differently_is_removed(storage: Storage) -> None:
    """1. rolled at offset 3, snapshot 3  2. the log lost offset 2, the snapshot survived
    3. another batch came to offset 2, by a later start."""
    one = OnePartition(storage)
    for sequence in range(4):
        one.send(7, sequence)
    snapshot = storage.read_bytes(path_of(3))
    for name in storage.list_dir(DIRECTORY):
        if not name.startswith(f"{0:020d}.log"):
            storage.remove(f"{DIRECTORY}/{name}")
    log = storage.open_file(f"{DIRECTORY}/{0:020d}.log")
    log.truncate(2 * log.size // 3)
    log.close()
    other = OnePartition(storage, leader_epoch=1)
    other.send(7, 2)
    put(storage, path_of(3), snapshot)
    again = OnePartition(storage, leader_epoch=2)
    assert again.log.notes == [f"{path_of(3)}: another batch lies before offset 3 now; removed"]
    assert again.replayed == [0, 1, 2]


def test_a_snapshot_beyond_the_log_end_is_never_believed(storage: Storage) -> None:
    """A torn batch below the newest snapshot is found only after the snapshot was read."""
    one = OnePartition(storage, batches_a_segment=100)
    for sequence in range(4):
        one.send(7, sequence)
    one.log.close()
    one.log.roll()
    for sequence in range(4, 8):
        one.send(7, sequence)
    one.log.close()
    path = f"{DIRECTORY}/{4:020d}.log"
    data = bytearray(storage.read_bytes(path))
    data[3 * len(data) // 4 - 1] ^= 1  # the batch at offset 6
    put(storage, path, bytes(data))
    again = OnePartition(storage, known=Known(flushed_offset=6))
    assert again.log.log_end_offset == 6
    assert snapshot_names(storage) == [4]
    assert again.replayed == [4, 5]
    assert again.send(7, 6) == 6, "it is new: what was lost was nobody promised"


def test_a_producer_whose_every_batch_was_dropped_is_remembered(storage: Storage) -> None:
    one = OnePartition(storage)
    one.send(7, 0)
    for sequence in range(8):
        one.send(8, sequence)
    one.flush()
    assert drop(one, 6) == 6
    again = OnePartition(storage, known=Known(flushed_offset=0, log_start_offset=6))
    assert again.send(7, 0) == 0


def test_segments_stay_until_a_snapshot_of_what_they_hold_is_durable(storage: Storage) -> None:
    one = OnePartition(storage)
    for sequence in range(8):
        one.send(7, sequence)
    assert drop(one, 6) == 0, "nothing is durable yet"
    one.flush()
    assert drop(one, 6) == 6


def test_a_snapshot_that_could_not_be_written_is_taken_before_segments_go(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = OnePartition(storage)

    def full(path: str) -> File:
        if path.endswith(".producers"):
            raise StorageError(path, "no space")
        return create(path)

    create = storage.create_file
    with monkeypatch.context() as patch:
        patch.setattr(storage, "create_file", full)
        for sequence in range(8):
            one.send(7, sequence)
    assert snapshot_names(storage) == []
    one.flush()
    assert drop(one, 6) == 6
    assert snapshot_names(storage) == [8]


def test_a_clean_stop_with_no_producer_needs_no_snapshot(storage: Storage) -> None:
    one = OnePartition(storage)
    for _ in range(2):
        one.send(-1, -1)
    known = one.stop()
    assert snapshot_names(storage) == []
    assert OnePartition(storage, known=known).replayed == []


def test_a_snapshot_of_a_newer_version_refuses_the_start_and_stays(storage: Storage) -> None:
    one = OnePartition(storage)
    for sequence in range(8):
        one.send(7, sequence)
    newest = snapshots.decode(storage.read_bytes(path_of(6)))
    assert newest is not None
    newer = snapshots.encode(newest._replace(version=4))
    put(storage, path_of(6), newer)
    with pytest.raises(NewerFormat, match=r"format 4.*knows up to 3.*start the newer version"):
        OnePartition(storage)
    assert storage.read_bytes(path_of(6)) == newer


def test_a_snapshot_of_version_2_is_read_and_knows_of_no_transaction(storage: Storage) -> None:
    one = OnePartition(storage)
    for sequence in range(6):
        one.send(7, sequence)
    one.now_ms += 40
    one.log.close()
    newest = snapshots.decode(storage.read_bytes(path_of(6)))
    assert newest is not None
    counts = struct.calcsize(">II")
    table = newest.table[:8] + newest.table[8 + counts :]  # as 0.2.0 has written it
    put(storage, path_of(6), snapshots.encode(newest._replace(table=table, version=2)))
    again = OnePartition(storage, now_ms=5000)
    assert again.replayed == []
    (state,) = again.partition.sequences.producers()
    assert (state.seen_at_ms, state.coordinator_epoch) == (4960, -1)
    assert [again.send(7, sequence) for sequence in (5, 1)] == [5, 1]
    assert not len(again.partition.transactions)


def test_a_snapshot_of_version_1_is_read_and_nobody_in_it_has_been_idle(storage: Storage) -> None:
    one = OnePartition(storage)
    for sequence in range(6):
        one.send(7, sequence)
    one.log.close()
    newest = snapshots.decode(storage.read_bytes(path_of(6)))
    assert newest is not None
    batches = b"".join(
        struct.pack(">Qqq", sequence + 1 << 32 | sequence, sequence, NOW_MS + sequence)
        for sequence in (5, 4, 3, 2, 1)
    )
    table = struct.pack(">qhq", 7, 0, NOW_MS) + batches  # as 0.1.0 has written it
    put(storage, path_of(6), snapshots.encode(newest._replace(table=table, version=1)))
    again = OnePartition(storage, now_ms=5000)
    assert again.replayed == []
    (state,) = again.partition.sequences.producers()
    assert state.seen_at_ms == 5000
    assert [again.answer(7, sequence) for sequence in (5, 1)] == [
        Duplicate(5, 6, NOW_MS + 5),
        Duplicate(1, 2, NOW_MS + 1),
    ]
