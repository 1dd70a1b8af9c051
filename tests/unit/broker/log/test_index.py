"""The packed indexes: lookups at the edges, and the files as Kafka lays them out."""

from __future__ import annotations

import struct

from minibroker.broker.log.index import OffsetIndex, TimeIndex


def offset_index() -> OffsetIndex:
    index = OffsetIndex()
    for offset, position in ((9, 100), (19, 200), (29, 300)):
        index.add(offset, position)
    return index


def test_floor_finds_the_entry_that_contains_or_precedes_an_offset() -> None:
    index = offset_index()
    assert [index.floor(offset) for offset in (0, 8, 9, 18, 19, 99)] == [0, 0, 100, 100, 200, 300]


def test_below_leaves_out_the_entry_that_ends_at_the_offset() -> None:
    index = offset_index()
    assert [index.below(offset) for offset in (0, 9, 10, 19, 20, 99)] == [0, 0, 100, 100, 200, 300]


def test_boundary_before_finds_the_last_known_batch_at_a_position() -> None:
    index = offset_index()
    assert [index.boundary_before(at) for at in (0, 99, 100, 250, 999)] == [0, 0, 100, 200, 300]


def test_empty_indexes_answer_the_beginning() -> None:
    assert (OffsetIndex().floor(5), OffsetIndex().below(5), OffsetIndex().boundary_before(5)) == (
        0,
        0,
        0,
    )
    assert TimeIndex().first_reaching(5) is None
    assert TimeIndex().newest_below(5) == (-1, 0)


def test_the_time_index_takes_only_rising_timestamps() -> None:
    index = TimeIndex()
    for timestamp, offset in ((-1, 0), (50, 3), (50, 5), (40, 6), (60, 8)):
        index.add(timestamp, offset)
    assert len(index) == 2
    assert [index.first_reaching(timestamp) for timestamp in (49, 50, 51, 60, 61)] == [
        3,
        3,
        8,
        8,
        None,
    ]
    assert [index.newest_below(offset) for offset in (3, 4, 9)] == [(-1, 0), (50, 3), (60, 8)]


def test_files_are_big_endian_entries_without_gaps() -> None:
    assert offset_index().encoded() == struct.pack(">6i", 9, 100, 19, 200, 29, 300)
    index = TimeIndex()
    index.add(1_700_000_000_000, 3)
    index.add(2**62 + 1, 2**31 - 1)
    assert index.encoded() == struct.pack(">qiqi", 1_700_000_000_000, 3, 2**62 + 1, 2**31 - 1)
    assert len(index) == 2
    assert index.first_reaching(2**62) == 2**31 - 1, "encoding leaves the index as it was"
