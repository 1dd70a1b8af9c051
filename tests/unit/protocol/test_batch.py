"""The whole batch: header, CRC, stamping, the walk over record lengths."""

import struct
from typing import Final

import pytest
from minibroker.protocol.batch import (
    BATCH_HEADER,
    CONTROL_BIT,
    HEAD_BYTES,
    HEADER_BYTES,
    LOG_APPEND_TIME_BIT,
    TRANSACTIONAL_BIT,
    BatchError,
    BatchHeader,
    build_batch,
    crc_is_valid,
    head_for,
    headers_in,
    lengths_add_up,
    read_header,
    records_in,
    restamped,
)
from minibroker.protocol.compression import Codec
from minibroker.protocol.sequence import SEQUENCE_MAX

from tests.support.batches import COMMIT_MARKER, GOLDEN

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
    assert lengths_add_up(GOLDEN, header)


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
    assert len(head) == HEAD_BYTES
    stored = head + GOLDEN[HEAD_BYTES:]
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


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_lengths_add_up_for_records_of_every_size(
    kind: type[bytes | bytearray | memoryview],
) -> None:
    sizes = (0, 1, 50, 55, 56, 57, 58, 59, 120, 8_000, *range(8_180, 8_190), 20_000, 1_100_000)
    batch = batch_of(*(b"v" * size for size in sizes))
    assert lengths_add_up(kind(batch), read_header(batch))
    for size in sizes:
        single = batch_of(b"v" * size)
        assert lengths_add_up(kind(single), read_header(single))


def with_body(body: bytes, count: int) -> tuple[bytes, BatchHeader]:
    """A batch that claims `count` records, whatever its body holds."""
    header = read_header(GOLDEN)._replace(batch_length=49 + len(body), records_count=count)
    return GOLDEN[:HEADER_BYTES] + body, header


RECORD: Final = bytes.fromhex("0c000000010100")  # 6 bytes follow the length: the least there can be


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"", 1),
        (RECORD, 0),
        (RECORD, 2),
        (RECORD * 2, 1),
        (RECORD + b"\x00", 1),
        (RECORD[:-1], 1),
        (RECORD + RECORD[:-1], 2),
        (RECORD + RECORD[:1], 2),
        (RECORD, 2**31 - 1),
        (b"\x0a" + bytes(5), 1),  # no record is 5 bytes long
        (b"\x00" * 3, 3),
        (b"\x0d" + bytes(6), 1),  # -7
        (b"\x01" * 7, 1),
        (b"\x80", 1),  # the length itself is cut short
        (b"\x80\x80", 1),
        (b"\x81\x01" + bytes(64), 1),  # -65
        (b"\x80\x00" * 4, 4),  # 0 in two bytes
        (b"\xff" * 20, 1),
        (b"\xfe" + b"\xff" * 8 + b"\x01", 1),
        (b"\xfe\xff\xff\xff\x0f" + bytes(50), 1),
        (RECORD + b"\xfe\xff\xff\xff\x0f" + bytes(50), 3),
    ],
)
def test_lengths_that_do_not_add_up(body: bytes, count: int) -> None:
    assert not lengths_add_up(*with_body(body, count))


@pytest.mark.parametrize("length", [b"\x0c", b"\x8c\x00", b"\x8c\x80\x00", b"\x8c\x80\x80\x80\x00"])
def test_a_length_may_take_more_bytes_than_it_needs(length: bytes) -> None:
    assert lengths_add_up(*with_body((length + RECORD[1:]) * 3, 3))


def test_every_cut_of_a_batch_and_every_longer_one_is_found_by_the_lengths() -> None:
    batch = batch_of(b"a", b"b" * 100, b"c" * 10)
    header = read_header(batch)
    for cut in range(HEADER_BYTES, len(batch)):
        assert not lengths_add_up(batch[:cut], header)
    assert not lengths_add_up(batch + b"\x00", header)
