"""The fast check of records says what the plain one says, whatever the bytes."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.protocol.batch.check import check_records
from minibroker.protocol.batch.header import HEADER_BYTES

from tests.support.answers.record_shapes import fields, record_bytes, varint
from tests.support.records.plain_records import plain_check
from tests.support.sizes import size

MANY = settings(max_examples=size(fast=60, whole=150), deadline=None)
SIZES = st.sampled_from((0, 1, 40, 62, 63, 64, 100, 5000, 9000))
DELTAS = st.sampled_from((0, 1, -1, 63, 64, -64, -65, 500, 8191, 8192, -8192, 2**40, -(2**63)))
RUNS = st.lists(
    st.tuples(st.integers(1, 80), SIZES, DELTAS, st.integers(0, 3), st.booleans(), st.booleans()),
    min_size=1,
    max_size=5,
)


def _body(runs: list[tuple[int, int, int, int, bool, bool]]) -> tuple[bytes, int]:
    """Some runs of records, each of one size, the stamps rising by a step of its own."""
    records: list[bytes] = []
    for count, length, delta, step, has_key, has_header in runs:
        for number in range(count):
            record = fields(
                len(records),
                key=b"k" * 8,
                value=b"v" * length,
                timestamp_delta=max(-(2**63), delta + step * number),
                with_header=has_header,
            )
            if not has_key:
                record |= {"key_length": varint(-1), "key": b""}
            records.append(record_bytes(record))
    return b"".join(records), len(records)


@MANY
@given(RUNS)
def test_good_records_pass_with_their_stamps(
    runs: list[tuple[int, int, int, int, bool, bool]],
) -> None:
    body, count = _body(runs)
    expected = plain_check(body, count)
    assert expected is not None
    assert check_records(bytes(HEADER_BYTES) + body, HEADER_BYTES, count) == expected


@MANY
@given(RUNS, st.integers(0, 2**32), st.integers(-1, 1))
def test_spoilt_records_are_judged_as_the_plain_way_judges_them(
    runs: list[tuple[int, int, int, int, bool, bool]], seed: int, more: int
) -> None:
    body, count = _body(runs)
    rng = Random(seed)
    spoilt = bytearray(body)
    # Most bytes are values, which nobody looks at: aim at the records' heads and ends.
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(spoilt))
        near = spoilt.find(rng.choice((b"\0", b"\x01", b"\x10", b"\x02")), at)
        spoilt[near if near >= 0 else at] = rng.choice((0, 1, 2, 3, 0x7F, 0x80, 0x81, 0xFF))
    if rng.random() < 0.1:
        del spoilt[rng.randrange(len(spoilt)) :]
    count = max(1, count + (more if rng.random() < 0.1 else 0))
    data = bytes(spoilt)
    assert check_records(data, 0, count) == plain_check(data, count)


@pytest.mark.parametrize("value_length", [-1, 0, 1, 54, 55, 64, 100, 8179, 8180])
@pytest.mark.parametrize("key_length", [-1, 0, 1, 63, 64])
def test_a_lone_record_is_judged_as_the_plain_way_judges_it(
    key_length: int, value_length: int
) -> None:
    for delta, has_header in ((0, False), (1, False), (0, True)):
        record = fields(0, timestamp_delta=delta, with_header=has_header)
        record |= {"key_length": varint(key_length), "key": b"k" * max(key_length, 0)}
        record |= {"value_length": varint(value_length), "value": b"v" * max(value_length, 0)}
        whole = record_bytes(record)
        assert check_records(whole, 0, 1) == (delta, delta)
        bodies = [whole[:-1], whole + b"\0", whole + b"\x02"]
        for width in (2, 3, 5, 6):  # numbers may take more bytes than they need
            bodies.append(record_bytes(record, varint(len(whole) - 1, width)))
            bodies.append(record_bytes(record | {"value_length": varint(value_length, width)}))
            bodies.append(record_bytes(record | {"key_length": varint(key_length, width)}))
        # Everything that tells of the record stands at its two ends, or around its key.
        for at in {*range(min(10, len(whole))), *range(67, min(72, len(whole))), len(whole) - 1}:
            near = (whole[at] - 2, whole[at] - 1, whole[at] + 1, whole[at] + 2)
            others = {0, 1, 2, 0x7F, 0x80, 0xFF, *(byte & 0xFF for byte in near)}
            bodies += [whole[:at] + bytes([byte]) + whole[at + 1 :] for byte in others]
        for body in bodies:
            expected = plain_check(body, 1)
            assert check_records(body, 0, 1) == expected, body
            assert check_records(memoryview(b"head" + body), 4, 1) == expected, body


@MANY
@given(st.binary(max_size=80), st.integers(1, 40))
def test_any_bytes_are_judged_and_nothing_is_raised(body: bytes, count: int) -> None:
    assert check_records(body, 0, count) == plain_check(body, count)


def test_a_batch_of_ten_thousand_equal_records_passes_with_its_stamps() -> None:
    """Offset deltas take one, two and three bytes in it."""
    records = [
        record_bytes(fields(number, timestamp_delta=number // 10)) for number in range(20_000)
    ]
    body = b"".join(records)
    assert check_records(body, 0, len(records)) == (0, 1999)
    for at in (63, 64, 8191, 8192, 16_383, 16_384, 19_999):
        start = sum(map(len, records[:at])) + len(records[at]) - len(b"\x06key\x0avalue\x00") - 1
        spoilt = body[:start] + bytes([body[start] ^ 2]) + body[start + 1 :]
        assert check_records(spoilt, 0, len(records)) is None
