"""Batches as they are shown: spoilt ones say so, and hide no others."""

from __future__ import annotations

import pytest
from minibroker.console.reading.batches import views_in
from minibroker.protocol.batch.control import Marker, marker_batch
from minibroker.protocol.batch.header import HEADER_BYTES
from minibroker.protocol.batch.writing import build_batch


def batch(base_offset: int, count: int = 2) -> bytes:
    records = [(b"k", b"v%d" % n, (), 1_000 + n) for n in range(count)]
    return build_batch(
        records, base_offset=base_offset, producer_id=7, producer_epoch=3, base_sequence=40
    )


def test_records_know_their_batch_and_sequence() -> None:
    ((view, records),) = views_in(batch(10), 4)
    assert view.crc_is_valid
    assert view.codec == "none"
    assert view.has_producer
    assert [(each.record.offset, each.sequence) for each in records] == [(10, 40), (11, 41)]
    assert records[0].partition == 4


def test_a_spoilt_batch_says_so_and_the_next_is_shown() -> None:
    spoilt = bytearray(batch(10))
    spoilt[HEADER_BYTES] ^= 0x7F
    (first, records), (second, others) = views_in(bytes(spoilt) + batch(12), 0)
    assert not first.crc_is_valid
    assert first.trouble
    assert records == []
    assert second.crc_is_valid
    assert len(others) == 2


def test_a_marker_is_told_from_records() -> None:
    data = marker_batch(Marker(7, 3, False, 0), now_ms=1, base_offset=5, leader_epoch=0)
    ((view, records),) = views_in(data, 0)
    assert view.marker == "abort"
    assert records == []


def test_what_is_cut_short_ends_it() -> None:
    data = batch(0) + batch(2)
    assert [view.header.base_offset for view, _ in views_in(data[:-1], 0)] == [0]


def test_no_batches_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no batches"):
        list(views_in(b"\xff" * 200, 0))
