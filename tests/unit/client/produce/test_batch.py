"""Records encoded as they are appended read back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.client.door import door
from minibroker.client.produce.batch import ProducerBatch, record_bytes_max
from minibroker.protocol.batch.header import HEADER_BYTES, crc_is_valid, read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.compression import Codec

from tests.support.records.batches import records_are_good
from tests.support.sizes import size

NAMES = st.text(max_size=20)
BYTES = st.none() | st.binary(max_size=40) | st.binary(min_size=1020, max_size=1030)
RECORDS = st.lists(
    st.tuples(
        BYTES,
        BYTES,
        st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=9)), max_size=3),
        st.integers(0, 2**41),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=size(fast=50, whole=150), deadline=None)
@given(records=RECORDS, codec=st.sampled_from(Codec))
def test_what_was_appended_is_what_is_read(
    records: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]],
    codec: Codec,
) -> None:
    batch = ProducerBatch("t", 0, codec, 0.0, room=1 << 30)
    for key, value, pairs, timestamp in records:
        headers = door.headers("headers", pairs)
        batch.append(key, value, headers, timestamp, record_bytes_max(key, value, headers))
    batch.seal(9, 3, 2**31 - 2)
    wire = bytes(batch.wire)
    header = read_header(wire)
    assert crc_is_valid(wire, header)
    assert codec or len(wire) - HEADER_BYTES <= batch.size_bytes
    assert codec or records_are_good(wire, header)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (9, 3, 2**31 - 2)
    assert header.max_timestamp == max(record[3] for record in records)
    read = [(each.key, each.value, [*each.headers], each.timestamp) for each in records_in(wire)]
    assert read == records


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_a_second_seal_leaves_the_first_bytes_alone(codec: Codec) -> None:
    batch = ProducerBatch("t", 0, codec, 0.0, room=1 << 30)
    for index in range(2000):
        batch.append(None, b"%d" % index, b"", 1_000, 30)
    batch.seal(9, 0, 7)
    first = batch.wire
    copy = bytes(first)
    batch.seal(9, 1, 0)
    assert bytes(first) == copy
    assert records_in(batch.wire) == records_in(copy)
    assert read_header(batch.wire).producer_epoch == 1


LONG = st.integers(0, 200) | st.integers(8_000, 8_300)


@settings(max_examples=size(fast=15, whole=30), deadline=None)
@given(
    lengths=st.lists(LONG, min_size=1, max_size=5),
    count=st.integers(1, 300) | st.integers(8_150, 8_250),
    step_ms=st.sampled_from([0.0, 0.001, 0.4, 70.0]),
)
def test_records_without_keys_read_back_whatever_their_lengths_and_times(
    lengths: list[int], count: int, step_ms: float
) -> None:
    batch = ProducerBatch("t", 0, Codec.NONE, 0.0, room=1 << 30)
    values = [bytes(lengths[index % len(lengths)]) for index in range(count)]
    for index, value in enumerate(values):
        batch.append(None, value, b"", 5_000 + index * step_ms, record_bytes_max(None, value, b""))
    batch.seal(9, 0, 0)
    assert len(batch.wire) - HEADER_BYTES <= batch.size_bytes
    assert records_are_good(memoryview(batch.wire), read_header(batch.wire))
    read = records_in(batch.wire)
    assert [each.value for each in read] == values
    assert [each.timestamp for each in read] == [int(5_000 + n * step_ms) for n in range(count)]


@settings(max_examples=size(fast=40, whole=100), deadline=None)
@given(st.lists(st.sampled_from([0, 2**27, 2**34 - 1, 2**34, 2**41, 2**55, 2**63 - 1]), min_size=1))
def test_values_alone_may_lie_ages_apart(stamps: list[int]) -> None:
    batch = ProducerBatch("t", 0, Codec.NONE, 0.0, room=1 << 30)
    for stamp in stamps:
        batch.append(None, b"v", b"", stamp, record_bytes_max(None, b"v", b""))
    batch.seal(9, 0, 0)
    assert [each.timestamp for each in records_in(batch.wire)] == stamps
