"""What a log tells of one producer id: ranges, holes, and whether it is the log of then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from minibroker.client.session.log_scan import NO_HOLE, LogScan, Scanning, Span
from minibroker.client.session.open_batch import Floor, OpenBatch
from minibroker.client.session.outcomes import Reason
from minibroker.protocol.batch.header import BatchHeader, read_header
from minibroker.protocol.batch.writing import build_batch

FLOOR = Floor("t", 0, 9, 0, offset=10, leader_epoch=4, confirmed_sequence=1)


def batch(first: int, count: int) -> OpenBatch:
    return OpenBatch(1, "t", bytes(16), 0, 9, 0, first, count, -1, b"")


def header(offset: int, count: int = 1, *, producer_id: int = 9, first: int = 0) -> BatchHeader:
    records = [(None, b"v", (), 0)] * count
    return read_header(
        build_batch(
            records,
            base_offset=offset,
            producer_id=producer_id,
            producer_epoch=0,
            base_sequence=first,
        )
    )


def scanned(*headers: BatchHeader, floor: Floor = FLOOR, end: int = 20) -> LogScan:
    scanning = Scanning(floor, 0, end)
    scanning.take(headers)
    return scanning.result()


@pytest.mark.parametrize(
    ("spans", "is_found", "is_partly", "offset"),
    [
        ([], False, False, -1),
        ([Span(0, 10, 4, 50)], True, False, 50),
        ([Span(0, 8, 8, 50)], True, False, 52),
        ([Span(0, 10, 2, 50), Span(0, 12, 2, 60)], True, False, 50),
        ([Span(0, 10, 2, 50)], False, True, -1),
        ([Span(0, 12, 9, 50)], False, True, -1),
        ([Span(1, 10, 4, 50)], False, False, -1),
        ([Span(0, 14, 4, 50), Span(0, 6, 4, 40)], False, False, -1),
    ],
)
def test_ranges(spans: list[Span], is_found: bool, is_partly: bool, offset: int) -> None:
    assert LogScan(spans=tuple(spans)).find(batch(10, 4)) == (is_found, is_partly, offset)


def test_ranges_wrap() -> None:
    scan = LogScan(spans=(Span(0, 2**31 - 2, 4, 50),))
    assert scan.find(batch(2**31 - 1, 2)).base_offset == 51
    assert scan.find(batch(1, 1)).base_offset == 53
    assert not scan.find(batch(2, 1)).is_found


def test_reading_begins_one_before_the_floor_and_finds_its_own() -> None:
    scanning = Scanning(FLOOR, 0, 13)
    assert scanning.position == 9
    scanning.take([header(8, 2, first=0), header(10, 1, producer_id=5), header(11, 2, first=2)])
    assert scanning.is_over
    scan = scanning.result()
    assert (scan.is_anchored, scan.is_aligned, scan.hole) == (True, True, NO_HOLE)
    assert scan.spans == (Span(0, 2, 2, 11),)


def test_what_lies_at_the_floor_is_another_producers() -> None:
    assert not scanned(header(9, producer_id=5), header(10)).is_anchored


@pytest.mark.parametrize(("first", "count"), [(0, 2), (1, 5), (0, 1)])
def test_what_lies_at_the_floor_is_in_doubt(first: int, count: int) -> None:
    scanning = Scanning(FLOOR, 0, 20, in_doubt=[batch(first, count)])
    scanning.take([header(8, 2, first=0)])
    assert not scanning.result().is_anchored


@pytest.mark.parametrize("other", [batch(2, 5), replace(batch(0, 2), producer_epoch=1)])
def test_what_lies_at_the_floor_is_of_another_epoch_or_before_what_is_in_doubt(
    other: OpenBatch,
) -> None:
    floor = replace(FLOOR, producer_epoch=1, confirmed_sequence=-1)
    scanning = Scanning(floor, 0, 20, in_doubt=[other])
    scanning.take([header(8, 2, first=0)])
    assert scanning.result().is_anchored


def test_a_batch_across_the_floor_is_of_another_log() -> None:
    scan = scanned(header(8, 4, producer_id=5))
    assert not scan.is_aligned
    assert scan.what_is_missing(FLOOR) is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("headers", "hole"),
    [
        ([header(9), header(10, 10)], NO_HOLE),
        ([header(9), header(12, 8)], 10),
        ([header(9), header(10, 2), header(14, 6)], 12),
        ([header(9), header(10, 5)._replace(records_count=4), header(15, 5)], 10),
        ([header(9), header(10, 5)._replace(records_count=0), header(15, 5)], 10),
        ([header(9)._replace(records_count=0), header(10, 10)], NO_HOLE),
    ],
)
def test_an_offset_without_its_record(headers: list[BatchHeader], hole: int) -> None:
    assert scanned(*headers).hole == hole


def test_nothing_where_the_log_should_go_on() -> None:
    scanning = Scanning(FLOOR, 0, 20)
    scanning.take([header(9), header(10, 2)])
    assert not scanning.is_over
    scanning.nothing_there()
    assert scanning.is_over
    assert scanning.result().hole == 12


def test_enough_is_read_when_all_is_found() -> None:
    scanning = Scanning(FLOOR, 0, 1_000, until=[batch(2, 2), batch(4, 1)])
    scanning.take([header(9, first=1), header(10, 2, first=2)])
    assert not scanning.is_over
    scanning.take([header(12, 1, first=4)])
    assert scanning.is_over
    assert not scanning.result().is_whole


@pytest.mark.parametrize(
    ("scan", "floor", "reason"),
    [
        (LogScan(end_offset=20), FLOOR, None),
        (LogScan(end_offset=10), FLOOR, None),
        (LogScan(end_offset=9), FLOOR, Reason.TRUNCATED),
        (LogScan(end_offset=20, epoch_end=10), FLOOR, None),
        (LogScan(end_offset=20, epoch_end=9), FLOOR, Reason.TRUNCATED),
        (LogScan(end_offset=20, epoch_end=9, is_anchored=True), FLOOR, None),
        (LogScan(end_offset=20, epoch_end=-1), replace(FLOOR, offset=0), None),
        (LogScan(end_offset=20, log_start=10), FLOOR, None),
        (LogScan(end_offset=20, log_start=11), FLOOR, Reason.RETENTION),
        (LogScan(end_offset=20, hole=15), FLOOR, Reason.COMPACTED),
    ],
)
def test_what_is_missing(scan: LogScan, floor: Floor, reason: Reason | None) -> None:
    assert scan.what_is_missing(floor) is reason
