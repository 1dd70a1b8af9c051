"""The whole batch: header, CRC, stamping, the walk over record lengths."""

import struct
from typing import Final

import pytest
from minibroker.protocol.batch.header import (
    BATCH_HEADER,
    CONTROL_BIT,
    HEADER_BYTES,
    LOG_APPEND_TIME_BIT,
    MAGIC_AT,
    TRANSACTIONAL_BIT,
    BatchError,
    BatchHeader,
    crc_is_valid,
    headers_in,
    read_header,
)
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.writing import build_batch, head_for, restamped
from minibroker.protocol.compression import Codec
from minibroker.protocol.sequence import SEQUENCE_MAX

from tests.support.records.batches import COMMIT_MARKER, GOLDEN, records_are_good

NOW: Final = 1_700_000_000_000


def batch_of(*values: bytes) -> bytes:
    return build_batch([(None, value, (), NOW) for value in values])


def test_the_fast_header_is_the_declared_one() -> None:
    assert BATCH_HEADER.sizeof() == HEADER_BYTES
    for batch in (GOLDEN, COMMIT_MARKER, bytes(range(100, 200)), bytes([255] * 61)):
        declared = BATCH_HEADER.parse(batch)
        assert read_header(batch)._asdict() == {n: declared[n] for n in BatchHeader._fields}


def test_the_golden_header() -> None:
    header = read_header(GOLDEN)
    assert header.size_bytes == len(GOLDEN) == 88
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (1000, 0, 0)
    assert (header.records_count, header.last_offset_delta, header.last_sequence) == (2, 1, 1)
    assert (header.last_offset, header.next_offset) == (1, 2)
    assert (header.base_timestamp, header.max_timestamp) == (NOW, NOW + 5)
    assert (header.codec, header.partition_leader_epoch) == (Codec.NONE, -1)
    assert not header.is_control
    assert not header.is_transactional
    assert not header.is_log_append_time
    assert crc_is_valid(GOLDEN, header)
    assert records_are_good(GOLDEN, header)


def test_the_golden_batch_is_built_byte_for_byte() -> None:
    records = [
        (b"k1", b"v1", (), NOW),
        (None, b"v2", [("h", b"x"), ("n", None)], NOW + 5),
    ]
    assert build_batch(records, producer_id=1000, producer_epoch=0, base_sequence=0) == GOLDEN


def test_a_transaction_marker_is_built_byte_for_byte() -> None:
    marker = build_batch(
        [(struct.pack(">hh", 0, 1), struct.pack(">hi", 0, 0), (), NOW + 100)],
        attributes=TRANSACTIONAL_BIT | CONTROL_BIT,
        base_offset=2,
        leader_epoch=0,
        producer_id=1000,
        producer_epoch=0,
    )
    assert marker == COMMIT_MARKER
    header = read_header(marker)
    assert header.is_control
    assert header.is_transactional
    assert header.last_sequence == -1


def test_the_last_sequence_wraps() -> None:
    header = read_header(GOLDEN)._replace(base_sequence=SEQUENCE_MAX - 1, last_offset_delta=3)
    assert header.last_sequence == 1


def test_a_header_may_stand_anywhere_in_a_buffer() -> None:
    buf = memoryview(b"abc" + GOLDEN + b"xyz")
    header = read_header(buf, 3)
    assert header == read_header(GOLDEN)
    assert crc_is_valid(buf, header, 3)


@pytest.mark.parametrize("size", [0, 1, 12, 60])
def test_too_few_bytes_for_a_header(size: int) -> None:
    with pytest.raises(BatchError, match=f"takes 61 bytes, and {size} are left"):
        read_header(GOLDEN[:size])


@pytest.mark.parametrize("batch_length", [-(2**31), -1, 0, 48, 77, 2**31 - 1])
def test_no_crc_holds_over_a_length_the_bytes_do_not_have(batch_length: int) -> None:
    batch = GOLDEN[:8] + batch_length.to_bytes(4, "big", signed=True) + GOLDEN[12:]
    assert not crc_is_valid(batch, read_header(batch))


def test_a_batch_of_zeros_has_no_valid_crc() -> None:
    assert not crc_is_valid(bytes(100), read_header(bytes(100)))


def test_stamping_leaves_the_crc_alone() -> None:
    header = read_header(GOLDEN)
    head = head_for(header, 1234, 7)
    assert len(head) == MAGIC_AT
    stored = head + GOLDEN[MAGIC_AT:]
    stamped = read_header(stored)
    assert stamped == header._replace(base_offset=1234, partition_leader_epoch=7)
    assert crc_is_valid(stored, stamped)
    assert [record.offset for record in records_in(stored)] == [1234, 1235]


def test_restamping_changes_time_and_crc_and_nothing_else() -> None:
    header = read_header(GOLDEN)
    restamped_batch = restamped(
        memoryview(GOLDEN), header, attributes=LOG_APPEND_TIME_BIT, max_timestamp=NOW + 999
    )
    changed = read_header(restamped_batch)
    assert changed.is_log_append_time
    assert crc_is_valid(restamped_batch, changed)
    assert changed == header._replace(
        attributes=LOG_APPEND_TIME_BIT, max_timestamp=NOW + 999, crc=changed.crc
    )
    assert restamped_batch[HEADER_BYTES:] == GOLDEN[HEADER_BYTES:]
    assert [record.timestamp for record in records_in(restamped_batch)] == [NOW + 999] * 2


def test_headers_of_whole_batches_until_one_is_cut() -> None:
    buf = GOLDEN + batch_of(b"a") + COMMIT_MARKER
    second, third = 88, 88 + len(batch_of(b"a"))
    assert [position for position, _ in headers_in(buf)] == [0, second, third]
    for cut in range(third + 1, len(buf)):
        assert [position for position, _ in headers_in(memoryview(buf)[:cut])] == [0, second]
    assert list(headers_in(b"")) == []


@pytest.mark.parametrize("batch_length", [-(2**31), -100, -1, 0, 48])
def test_an_impossible_length_ends_the_search_for_headers_loudly(batch_length: int) -> None:
    bad = GOLDEN[:8] + batch_length.to_bytes(4, "big", signed=True) + GOLDEN[12:]
    with pytest.raises(BatchError, match=f"batch_length {batch_length} at byte 88"):
        list(headers_in(GOLDEN + bad))
