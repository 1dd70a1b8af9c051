"""Any records in, the same records out; any bytes in, a value or BatchError out."""

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.protocol.batch.header import (
    BATCH_HEADER,
    HEADER_BYTES,
    MAGIC,
    BatchError,
    BatchHeader,
    Buffer,
    crc_is_valid,
    headers_in,
    read_header,
)
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.runs import Record
from minibroker.protocol.batch.writing import NewRecord, build_batch, head_for, restamped
from minibroker.protocol.compression import Codec

from tests.support.records.batches import records_are_good
from tests.support.sizes import size

USUAL: Final = settings(max_examples=size(fast=40, whole=100), deadline=None)
MANY: Final = settings(max_examples=size(fast=100, whole=300), deadline=None)
FEW: Final = settings(max_examples=size(fast=15, whole=30), deadline=None)
INT64: Final = st.integers(-(2**62), 2**62 - 1)
BYTES_OR_NULL: Final = st.none() | st.binary(max_size=40)
NEW_RECORDS: Final = st.lists(
    st.tuples(
        BYTES_OR_NULL,
        BYTES_OR_NULL | st.binary(min_size=60, max_size=70) | st.just(b"v" * 9_000),
        st.lists(st.tuples(st.text(max_size=8), BYTES_OR_NULL), max_size=3),
        INT64 | st.integers(1_700_000_000_000, 1_700_000_100_000),
    ),
    min_size=1,
    max_size=6,
)


@USUAL
@given(NEW_RECORDS, st.sampled_from(Codec), st.integers(0, 2**62))
def test_records_come_out_as_they_went_in(
    new_records: list[NewRecord], codec: Codec, base_offset: int
) -> None:
    batch = build_batch(new_records, codec=codec, base_offset=base_offset)
    header = read_header(batch)
    assert header.size_bytes == len(batch)
    assert crc_is_valid(batch, header)
    assert codec or records_are_good(batch, header)
    assert records_in(batch) == [
        Record(base_offset + delta, timestamp, key, value, tuple(headers))
        for delta, (key, value, headers, timestamp) in enumerate(new_records)
    ]


@USUAL
@given(st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_any_header_is_read_as_declared(data: bytes) -> None:
    declared = BATCH_HEADER.parse(data)
    assert read_header(data)._asdict() == {name: declared[name] for name in BatchHeader._fields}
    assert BATCH_HEADER.build(declared) == data


@USUAL
@given(NEW_RECORDS, st.data())
def test_any_flipped_bit_behind_the_crc_is_noticed(
    new_records: list[NewRecord], data: st.DataObject
) -> None:
    batch = bytearray(build_batch(new_records))
    at = data.draw(st.integers(17, len(batch) - 1))
    batch[at] ^= 1 << data.draw(st.integers(0, 7))
    assert not crc_is_valid(batch, read_header(batch))


@USUAL
@given(NEW_RECORDS, INT64, st.integers(0, 2**31 - 1))
def test_stamping_keeps_a_batch_valid(
    new_records: list[NewRecord], base_offset: int, leader_epoch: int
) -> None:
    batch = build_batch(new_records)
    header = read_header(batch)
    stored = head_for(header, base_offset, leader_epoch) + batch[16:]
    assert crc_is_valid(stored, read_header(stored))
    late = restamped(stored, read_header(stored), attributes=8, max_timestamp=base_offset)
    assert crc_is_valid(late, read_header(late))
    assert {record.timestamp for record in records_in(late)} == {base_offset}
    assert read_header(late).base_offset == base_offset


@FEW
@given(NEW_RECORDS, st.sampled_from(Codec))
def test_no_prefix_of_a_batch_is_taken_for_a_batch(
    new_records: list[NewRecord], codec: Codec
) -> None:
    batch = build_batch(new_records, codec=codec)
    for cut in range(0, len(batch), 1 + len(batch) // 200):
        prefix = memoryview(batch)[:cut]
        assert list(headers_in(prefix)) == []
        try:
            assert not crc_is_valid(prefix, read_header(prefix))
            records_in(prefix)
        except BatchError:
            continue
        raise AssertionError(f"{cut} of {len(batch)} bytes were read as a batch")


@MANY
@given(NEW_RECORDS, st.sampled_from(Codec), st.data())
def test_damaged_records_are_read_or_refused_and_nothing_else(
    new_records: list[NewRecord], codec: Codec, data: st.DataObject
) -> None:
    batch = bytearray(build_batch(new_records, codec=codec))
    for _ in range(data.draw(st.integers(1, 4))):
        batch[data.draw(st.integers(12, len(batch) - 1))] = data.draw(st.integers(0, 255))
    header = read_header(batch)
    is_whole = header.magic == MAGIC and header.codec == Codec.NONE  # both may be what is damaged
    is_good = is_whole and records_are_good(batch, header)
    problem = _stumbles_at(batch, header.records_count)
    assert not is_good or not problem or "timestamp" in problem  # of more than 64 bits


@USUAL
@given(st.binary(max_size=100), st.integers(0, 5), st.sampled_from(Codec))
def test_any_bytes_in_the_place_of_records_do_no_harm(
    body: bytes, count: int, codec: Codec
) -> None:
    header = read_header(build_batch([(None, b"", (), 0)]))._replace(
        batch_length=HEADER_BYTES - 12 + len(body), attributes=codec, records_count=count
    )
    batch = bytes(BATCH_HEADER.build(header._asdict())) + body
    is_good = count > 0 and records_are_good(batch, header) and codec == Codec.NONE
    problem = _stumbles_at(batch, count)
    assert not is_good or not problem or "timestamp" in problem  # of more than 64 bits


def _stumbles_at(batch: Buffer, count: int) -> str:
    """What a reader says to a batch that it cannot read; nothing if it finds `count` records."""
    try:
        records = records_in(batch)
    except BatchError as error:
        return str(error)
    assert len(records) == count
    return ""
