"""Any records in, the same records out; any bytes in, a value or BatchError out."""

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.protocol.batch import (
    BATCH_HEADER,
    HEADER_BYTES,
    BatchError,
    BatchHeader,
    NewRecord,
    Record,
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

USUAL: Final = settings(max_examples=100, deadline=None)
MANY: Final = settings(max_examples=300, deadline=None)
FEW: Final = settings(max_examples=30, deadline=None)
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
    assert codec or lengths_add_up(batch, header)
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
    walked = lengths_add_up(batch, header)
    try:
        records = records_in(batch)
    except BatchError:
        return
    assert len(records) == header.records_count
    assert walked or header.codec != Codec.NONE


@USUAL
@given(st.binary(max_size=100), st.integers(0, 5), st.sampled_from(Codec))
def test_any_bytes_in_the_place_of_records_do_no_harm(
    body: bytes, count: int, codec: Codec
) -> None:
    header = read_header(build_batch([(None, b"", (), 0)]))._replace(
        batch_length=HEADER_BYTES - 12 + len(body), attributes=codec, records_count=count
    )
    batch = bytes(BATCH_HEADER.build(header._asdict())) + body
    walked = lengths_add_up(batch, header)
    try:
        assert len(records_in(batch)) == count
    except BatchError:
        return
    assert walked or codec


@given(
    runs=st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 40)), min_size=1, max_size=6),
    tampered=st.integers(0, 2**16),
    flip=st.integers(0, 255),
)
def test_runs_of_records_of_one_size_add_up_as_each_alone_does(
    runs: list[tuple[int, int]], tampered: int, flip: int
) -> None:
    values = [b"v" * size for size, count in runs for _ in range(count)]
    batch = bytearray(build_batch([(None, value, (), 0) for value in values]))
    header = read_header(batch)
    assert lengths_add_up(batch, header)
    batch[61 + tampered % (len(batch) - 61)] ^= flip
    assert lengths_add_up(batch, header) == adds_up_one_by_one(bytes(batch), len(values))


def adds_up_one_by_one(batch: bytes, count: int) -> bool:
    """The walk in its plainest form."""
    position = 61
    for _ in range(count):
        shift = length = 0
        while True:
            if position >= len(batch) or shift > 28:
                return False
            byte = batch[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        length = (length >> 1) ^ -(length & 1)
        if length < 6:
            return False
        position += length
    return position == len(batch)
