"""What the groups' records look like in batches, and that each is read as it was written."""

from __future__ import annotations

import pytest
from minibroker.broker.groups.batches import COPY, pack, unpack
from minibroker.broker.groups.records import (
    CopiedOffset,
    GroupRecord,
    OffsetCommitValue,
    OffsetRecord,
    PendingRecord,
    StateRecord,
    UnknownRecord,
)
from minibroker.protocol.batch.control import Marker, marker_batch
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT, crc_is_valid, read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch

NOW_MS = 1_700_000_000_000
VALUE = OffsetCommitValue(offset=7, leader_epoch=2, metadata="m", commit_timestamp=NOW_MS)
OFFSET = OffsetRecord("g", "t", 3, VALUE)
GONE = OffsetRecord("g", "t", 4, None)


@pytest.mark.parametrize(
    "records",
    [
        [OFFSET, GONE, GroupRecord("g", None)],
        [CopiedOffset(OFFSET), OFFSET],
        [PendingRecord(5, 1, 0, OFFSET), PendingRecord(5, 1, 1, GONE)],
        [PendingRecord(5, 1, 2**40, OFFSET, is_superseded=True, is_copy=True)],
        [PendingRecord(5, 1, 9, OFFSET, is_copy=True)],
        [Marker(5, 1, is_commit=True, coordinator_epoch=0)],
    ],
)
def test_what_is_written_is_read(records: list[StateRecord]) -> None:
    batch = pack(records, NOW_MS)
    assert crc_is_valid(batch, read_header(batch))
    assert unpack(memoryview(batch)) == records


def test_a_transactions_offsets_are_one_transactional_batch_without_a_sequence() -> None:
    header = read_header(pack([PendingRecord(5, 1, 0, OFFSET)] * 2, NOW_MS))
    assert header.attributes == TRANSACTIONAL_BIT
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 1, -1)
    assert header.records_count == 2


def test_a_marker_is_kafkas() -> None:
    marker = Marker(5, 2, is_commit=False, coordinator_epoch=0)
    expected = marker_batch(marker, now_ms=NOW_MS, base_offset=0, leader_epoch=0)
    assert pack([marker], NOW_MS) == expected


def test_only_what_a_rewrite_copies_bears_a_header() -> None:
    plain = records_in(pack([OFFSET, PendingRecord(5, 1, 0, OFFSET).offset], NOW_MS))
    assert [each.headers for each in plain] == [(), ()]
    assert records_in(pack([PendingRecord(5, 1, 9, OFFSET)], NOW_MS))[0].headers == ()
    copied = records_in(pack([PendingRecord(5, 1, 9, OFFSET, is_copy=True)], NOW_MS))
    assert copied[0].headers == ((COPY, bytes(7) + b"\x09\x00"),)


def test_where_a_pending_offset_stands_is_its_place_in_the_log() -> None:
    values = [(*_stored(OFFSET), (), NOW_MS)] * 2
    batch = build_batch(values, attributes=TRANSACTIONAL_BIT, base_offset=40, producer_id=5)
    assert [each.at for each in unpack(batch) if isinstance(each, PendingRecord)] == [40, 41]


def test_a_copy_of_something_newer_is_refused() -> None:
    values = [(*_stored(OFFSET), ((COPY, b"longer than today"),), NOW_MS)]
    with pytest.raises(UnknownRecord, match="newer"):
        unpack(build_batch(values, attributes=TRANSACTIONAL_BIT, producer_id=5))


def _stored(record: OffsetRecord) -> tuple[bytes | None, bytes | None]:
    read = records_in(pack([record], NOW_MS))[0]
    return read.key, read.value
