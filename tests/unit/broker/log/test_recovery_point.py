"""Below the recovery point damage refuses to start; at or above it the rest goes, and is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from minibroker.broker.log.recovery import Known
from minibroker.broker.storage.files import DiskFile
from minibroker.broker.storage.memory import MemoryFile
from minibroker.broker.storage.port import DamagedLog, Storage
from minibroker.broker.waiting.long_work import finished
from minibroker.testing.simulated_storage import SimulatedFile

from tests.support.records.logs import DIRECTORY, read_all, segment_names
from tests.support.records.partitions import BATCH_BYTES, OnePartition


def filled(storage: Storage, batch_count: int = 8) -> list[bytes]:
    """Three batches a segment; returns all batches as stored."""
    one = OnePartition(storage)
    for sequence in range(batch_count):
        one.send(7, sequence)
    batches = read_all(one.log)
    one.log.close()
    return batches


def spoil(storage: Storage, offset: int) -> None:
    """Zero the batch at an offset, as if its write had been lost."""
    path = f"{DIRECTORY}/{offset - offset % 3:020d}.log"
    data = bytearray(storage.read_bytes(path))
    start = offset % 3 * BATCH_BYTES
    data[start : start + BATCH_BYTES] = bytes(BATCH_BYTES)
    file = storage.create_file(path)
    file.append([data])
    file.close()


@pytest.mark.parametrize("hole", range(8))
@pytest.mark.parametrize("flushed_offset", range(9))
def test_a_hole_is_cut_above_the_recovery_point_and_refused_below(
    storage: Storage, hole: int, flushed_offset: int
) -> None:
    batches = filled(storage)
    spoil(storage, hole)
    known = Known(flushed_offset=flushed_offset)
    before = {name: storage.read_bytes(f"{DIRECTORY}/{name}") for name in segment_names(storage)}
    if hole < flushed_offset:
        is_read = flushed_offset <= hole - hole % 3 + 3 - 1 or hole >= 6
        if not is_read:
            return  # its segment is trusted; a reader finds it
        with pytest.raises(DamagedLog, match=f"all before offset {flushed_offset} had been"):
            OnePartition(storage, known=known)
        after = {name: storage.read_bytes(f"{DIRECTORY}/{name}") for name in before}
        assert after == before, "nothing was changed"
    else:
        one = OnePartition(storage, known=known, leader_epoch=1)
        assert read_all(one.log) == batches[:hole]
        assert one.log.recovery is not None
        assert one.log.recovery.offset == hole
        assert one.send(7, hole) == hole, "the retry of what was lost"
        again = OnePartition(storage, known=known, leader_epoch=2)
        assert read_all(again.log)[:-1] == batches[:hole]


def test_a_log_that_ends_too_early_is_refused(storage: Storage) -> None:
    filled(storage)
    file = storage.open_file(f"{DIRECTORY}/{6:020d}.log")
    file.truncate(BATCH_BYTES)
    file.close()
    with pytest.raises(DamagedLog, match="ends at offset 7, but all before 8 had been flushed"):
        OnePartition(storage, known=Known(flushed_offset=8))
    assert OnePartition(storage, known=Known(flushed_offset=7)).log.log_end_offset == 7


def test_a_segment_that_is_gone_is_refused_below_the_recovery_point(storage: Storage) -> None:
    filled(storage)
    storage.remove(f"{DIRECTORY}/{3:020d}.log")
    with pytest.raises(DamagedLog, match="offset 3 must follow, but the next segment begins at 6"):
        OnePartition(storage, known=Known(flushed_offset=5))
    one = OnePartition(storage, known=Known(flushed_offset=3))
    assert one.log.log_end_offset == 3
    assert "removed with all later ones" in str(one.log.recovery)


Read: TypeAlias = Callable[[Any, int, int], bytes]


class Reads:
    """Counts the bytes that are read from `.log` files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_name: dict[str, int] = {}
        for kind in (DiskFile, MemoryFile, SimulatedFile):
            monkeypatch.setattr(kind, "read", self._counting(kind.read))

    def _counting(self, read: Read) -> Read:
        def counted(file: Any, position: int, count: int) -> bytes:
            name = file.path.rpartition("/")[2]
            data: bytes = read(file, position, count)
            if name.endswith(".log"):
                self.by_name[name] = self.by_name.get(name, 0) + len(data)
            return data

        return counted


def test_only_segments_above_the_recovery_point_are_read(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(storage)
    reads = Reads(monkeypatch)
    one = OnePartition(storage, known=Known(flushed_offset=7))
    header = 61  # of the batch that a snapshot is bound to
    read = {name: count for name, count in reads.by_name.items() if count > header}
    assert set(read) == {f"{6:020d}.log"}
    assert one.log.log_end_offset == 8
    assert one.log.epoch_end_offset(0) == (0, 8)


def test_after_a_clean_stop_no_batch_is_read(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = OnePartition(storage)
    for sequence in range(8):
        one.send(7, sequence)
    known = one.stop()
    reads = Reads(monkeypatch)
    again = OnePartition(storage, known=known, leader_epoch=1)
    assert sum(reads.by_name.values()) <= 61
    assert (again.log.log_start_offset, again.log.log_end_offset) == (0, 8)
    assert finished(again.log.find_timestamp(1000, 8)) == finished(one.log.find_timestamp(1000, 8))
    assert finished(again.log.max_timestamp(8)) == finished(one.log.max_timestamp(8))
    assert read_all(again.log) == read_all(one.log)
    assert again.send(7, 8) == 8
    assert again.log.epoch_end_offset(0) == (0, 8)


@pytest.mark.parametrize("suffix", [".index", ".timeindex", ".summary"])
@pytest.mark.parametrize("what", ["gone", "cut", "flipped"])
def test_files_that_only_spare_work_may_be_damaged(
    storage: Storage, suffix: str, what: str
) -> None:
    filled(storage)
    path = f"{DIRECTORY}/{3:020d}{suffix}"
    data = storage.read_bytes(path)
    storage.remove(path)
    if what != "gone":
        file = storage.create_file(path)
        file.append([data[:-1] if what == "cut" else bytes([*data[:-1], data[-1] ^ 1])])
        file.close()
    one = OnePartition(storage, known=Known(flushed_offset=8))
    assert [one.send(7, sequence) for sequence in range(3, 8)] == [3, 4, 5, 6, 7]
    assert len(read_all(one.log)) == 8
    found = finished(one.log.find_timestamp(1000, 8))
    assert found is not None
    assert found.offset == 0


def test_deleted_records_do_not_come_back(storage: Storage) -> None:
    filled(storage)
    known = Known(flushed_offset=0, log_start_offset=4)
    assert OnePartition(storage, known=known).log.log_start_offset == 4
    one = OnePartition(storage, known=Known(flushed_offset=0, log_start_offset=20))
    assert (one.log.log_start_offset, one.log.log_end_offset) == (20, 20)
    assert "ends at offset 8, but all before 20 has been deleted" in one.log.notes[-1]
    assert segment_names(storage) == []
    assert one.send(9, 0) == 20
    again = OnePartition(storage, known=known)
    assert (again.log.log_start_offset, again.log.log_end_offset) == (20, 21)
