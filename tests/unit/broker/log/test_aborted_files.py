"""The `.txnindex` files of a log: written with its segments, checked at a start, gone with them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from crc32c import crc32c
from minibroker.broker.log import summary
from minibroker.broker.log.aborted_index import ENTRY_BYTES, AbortedSum
from minibroker.broker.log.recovery import Known
from minibroker.broker.log.summary import IndexSums, Summary
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import NoSpace, Storage

from tests.support.records.transactions import OneLog

GOLDEN = Path(__file__).parents[3] / "golden" / "transactions"
A, B = 5, 6


def names(storage: Storage, suffix: str = ".txnindex") -> list[int]:
    return [int(name[:20]) for name in storage.list_dir("t-0") if name.endswith(suffix)]


def put(storage: Storage, name: str, data: bytes) -> None:
    storage.make_dirs("t-0")
    file = storage.create_file(f"t-0/{name}")
    file.append([data])
    file.close()


def aborted(one: OneLog) -> list[tuple[int, int]]:
    return [(each.producer_id, each.first_offset) for s in one.log.segments for each in s.aborted]


def filled(storage: Storage) -> OneLog:
    """Segments of which the first, the third and the last have aborted transactions."""
    one = OneLog(storage, segment_bytes=10**6)
    one.write(A)
    one.end(A, commits=False)
    one.log.roll()
    one.write(A)
    one.end(A, commits=True)
    one.write(B)
    one.log.roll()
    one.end(B, commits=False)
    one.log.roll()
    one.write(A)
    one.end(A, commits=False)
    return one


TOLD = [(A, 0), (B, 4), (A, 6)]


def test_the_file_of_kafkas_batches_is_kafkas(storage: Storage) -> None:
    name = f"{2:020d}"
    put(storage, f"{name}.log", (GOLDEN / f"{name}.log").read_bytes())
    one = OneLog(storage)
    one.log.roll()
    stored = storage.read_bytes(f"t-0/{name}.txnindex")
    assert stored == (GOLDEN / f"{name}.txnindex").read_bytes()
    assert len(stored) == 5 * ENTRY_BYTES


def test_only_segments_with_aborted_transactions_have_a_file(storage: Storage) -> None:
    one = filled(storage)
    bases = [each.base_offset for each in one.log.segments]
    assert names(storage) == [bases[0], bases[2]]
    known = one.stop()
    assert names(storage) == [bases[0], bases[2], bases[3]]
    for again in (OneLog(storage, known=known), OneLog(storage, known=Known(known.flushed_offset))):
        assert aborted(again) == TOLD
        assert not again.log.notes


def test_a_stop_writes_them_once(storage: Storage) -> None:
    known = filled(storage).stop()
    again = OneLog(storage, known=known)
    again.log.close()
    assert again.log.dirty_files() == []


@pytest.mark.parametrize("how", ["gone", "cut", "flipped", "of another segment"])
def test_a_file_that_does_not_hold_is_made_again_from_the_batches(
    storage: Storage, how: str
) -> None:
    known = filled(storage).stop()
    paths = [f"t-0/{base:020d}.txnindex" for base in names(storage)]
    contents = [storage.read_bytes(path) for path in paths]
    for path, content in zip(paths, contents, strict=True):
        if how == "gone":
            storage.remove(path)
            continue
        other = contents[contents.index(content) - 1]
        flipped = bytes((*content[:-1], content[-1] ^ 1))
        spoilt = {"cut": content[:-1], "flipped": flipped, "of another segment": other}[how]
        put(storage, path.removeprefix("t-0/"), spoilt)
    one = OneLog(storage, known=known)
    assert aborted(one) == TOLD
    assert len(one.log.notes) == 3
    assert all("made again from the batches" in note for note in one.log.notes)
    assert [storage.read_bytes(path) for path in paths] == contents
    assert not OneLog(storage, known=one.stop()).log.notes


def test_after_a_crash_nothing_is_made_again_that_a_snapshot_tells(storage: Storage) -> None:
    """What is read, and was not flushed, are the last two segments."""
    one = filled(storage)
    bases = [each.base_offset for each in one.log.segments]
    again = OneLog(storage, known=Known(flushed_offset=bases[2]))
    assert aborted(again) == TOLD
    assert again.log.notes == []


def test_stops_in_the_middle_of_a_segment_spare_the_next_crash_what_they_know(
    storage: Storage,
) -> None:
    """Each leaves a snapshot there, and the one from the beginning of the segment goes."""
    one, told = OneLog(storage), list[tuple[int, int]]()
    for _ in range(4):
        told.append((A, one.write(A)))
        one.end(A, commits=False)
        killed = OneLog(storage, known=Known(flushed_offset=0))
        assert (aborted(killed), killed.log.notes) == (told, [])
        one = OneLog(storage, known=killed.stop())
        assert (aborted(one), one.log.notes) == (told, [])
    storage.remove(f"t-0/{0:020d}.txnindex")
    killed = OneLog(storage, known=Known(flushed_offset=0))
    assert aborted(killed) == told
    assert len(killed.log.notes) == 1, "made again"


def test_one_that_cannot_be_written_is_made_again_by_the_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = MemoryStorage()
    create = storage.create_file

    def full(path: str) -> object:
        if path.endswith(".txnindex"):
            raise NoSpace(path, "no space")
        return create(path)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "create_file", full)
        known = filled(storage).stop()
        assert names(storage) == []
        one = OneLog(storage, known=known)
        assert aborted(one) == TOLD
        assert names(storage) == []
    assert aborted(OneLog(storage, known=known)) == TOLD
    assert len(names(storage)) == 3


def test_a_segment_goes_with_its_file(storage: Storage) -> None:
    one = filled(storage)
    one.flush()
    one.log.raise_start(one.log.segments[2].base_offset)
    removable = one.partition.removable_offset()
    while one.log.remove_before(removable, 10**6):
        pass
    assert names(storage) == [one.log.segments[0].base_offset]


def test_what_a_crash_has_left_of_removed_segments_goes_at_the_start(storage: Storage) -> None:
    one = filled(storage)
    begin = one.log.segments[3].base_offset
    known = one.stop()
    first = OneLog(storage, known=Known(begin, log_start_offset=begin, removed_offset=begin))
    assert names(storage) == [begin]
    assert first.log.notes == [], "it was on record"
    put(storage, f"{1:020d}.txnindex", b"left alone")
    again = OneLog(storage, known=Known(known.flushed_offset, log_start_offset=begin))
    assert names(storage) == [begin]
    assert any(f"{1:020d}.txnindex: left by a crash" in note for note in again.log.notes)


def test_a_torn_tail_takes_its_file_with_it(storage: Storage) -> None:
    one = filled(storage)
    begin = one.log.segments[3].base_offset
    one.stop()
    path = f"t-0/{begin:020d}.log"
    log = storage.open_file(path)
    log.truncate(log.size - 1)  # the abort marker
    log.close()
    again = OneLog(storage, known=Known(begin))
    assert begin not in names(storage)
    assert aborted(again) == TOLD[:2]
    assert [each.first_offset for each in again.partition.transactions] == [6]


def test_what_is_left_of_a_segment_that_was_cut_is_written_anew(storage: Storage) -> None:
    one = filled(storage)
    begin = one.log.segments[3].base_offset
    one.plain()
    one.stop()
    log = storage.open_file(f"t-0/{begin:020d}.log")
    log.truncate(log.size - 1)
    log.close()
    again = OneLog(storage, known=Known(begin))
    assert begin not in names(storage)
    known = again.stop()
    assert begin in names(storage)
    stopped = OneLog(storage, known=known)
    assert (aborted(stopped), stopped.log.notes) == (TOLD, [])


def test_a_snapshot_in_the_middle_of_a_segment_comes_with_its_file(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. no room for the snapshot of a roll  2. it is made up for, so that old segments can go."""
    create = storage.create_file

    def full(path: str) -> object:
        if path.endswith(".producers"):
            raise NoSpace(path, "no space")
        return create(path)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "create_file", full)
        one = filled(storage)
    begin = one.log.segments[3].base_offset
    one.flush()
    one.log.raise_start(begin)
    assert one.partition.removable_offset() == begin
    killed = OneLog(storage, known=Known(begin, log_start_offset=begin))
    assert (aborted(killed)[-1], killed.log.notes) == (TOLD[-1], [])


def test_a_summary_of_before_transactions_is_read() -> None:
    sums = IndexSums(1, 2, 3, 4)
    body = struct.pack(">10qH", 7, 700, 600, 1, 2, 3, *sums, 1) + struct.pack(">iq", 5, 6)
    found = summary.decode(struct.pack(">4sHI", b"MBSS", 1, crc32c(body)) + body)
    assert found == Summary(7, 700, 600, 1, 2, 3, sums, ((5, 6),))


def test_every_cut_and_flipped_bit_of_a_summary_is_seen() -> None:
    whole = Summary(7, 700, 600, 1, 2, 3, IndexSums(1, 2, 3, 4), ((5, 6),), AbortedSum(8, 9))
    data = summary.encode(whole)
    assert summary.decode(data) == whole
    for bit in range(8 * len(data)):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert summary.decode(bytes(spoilt)) is None
    assert all(summary.decode(data[:end]) is None for end in range(len(data)))
