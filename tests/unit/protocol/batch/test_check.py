"""Which records are good, by their bytes; the property test has the rest."""

from typing import Final

import pytest
from minibroker.protocol.batch.check import RUN_MIN, TooLongError, check_records
from minibroker.protocol.batch.writing import build_batch

from tests.support.answers.record_shapes import drawn, fields, malformed, record_bytes
from tests.support.records.plain_records import plain_check

NOW_MS: Final = 1_700_000_000_000
RECORD: Final = bytes.fromhex("0c000000010100")  # 6 bytes follow the length: the least there can be
HEADER_BYTES: Final = 61


def alike(count: int, length: bytes = b"\x0c") -> bytes:
    """Up to 64 of the smallest records, as offset deltas want it."""
    return b"".join(length + b"\0\0" + bytes([2 * index]) + b"\x01\x01\0" for index in range(count))


def test_records_of_every_size_are_good() -> None:
    sizes = (0, 1, 50, 55, 56, 57, 58, 59, 120, 8_000, *range(8_180, 8_190), 20_000, 1_100_000)
    batch = build_batch([(None, b"v" * size, (), 0) for size in sizes])
    assert check_records(batch, HEADER_BYTES, len(sizes)) == (0, 0)
    for size in sizes:
        single = build_batch([(None, b"v" * size, (), 0)])
        assert check_records(single, HEADER_BYTES, 1) == (0, 0)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"", 1),
        (RECORD, 2),
        (RECORD * 2, 2),  # two of the same offset
        (alike(2), 1),
        (alike(2), 3),
        (alike(40), 39),
        (alike(40), 41),
        (alike(40)[:-1], 40),
        (RECORD + b"\x00", 1),
        (RECORD[:-1], 1),
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
        (alike(1, b"\x8c\x80\x80\x80\x10"), 1),  # 33 bits
        (alike(1, b"\x8c\x80\x80\x80\x80\x00"), 1),  # six bytes
        (RECORD[:4] + b"\x03\x01\x00", 1),  # a key of -2 bytes
    ],
)
def test_records_that_are_not_good(body: bytes, count: int) -> None:
    assert check_records(body, 0, count) is None
    assert plain_check(body, count) is None


@pytest.mark.parametrize("length", [b"\x0c", b"\x8c\x00", b"\x8c\x80\x00", b"\x8c\x80\x80\x80\x00"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_length_may_take_more_bytes_than_it_needs(length: bytes, count: int) -> None:
    assert check_records(alike(count, length), 0, count) == (0, 0)


def test_every_cut_of_records_and_every_longer_body_is_found() -> None:
    batch = build_batch([(None, value, (), 0) for value in (b"a", b"b" * 100, b"c" * 10)])
    for cut in range(HEADER_BYTES, len(batch)):
        assert check_records(batch[:cut], HEADER_BYTES, 3) is None
    assert check_records(batch + b"\x00", HEADER_BYTES, 3) is None


def test_shapes_written_out_are_not_good_and_those_drawn_are_as_the_plain_way_says() -> None:
    assert len(malformed(NOW_MS)) == 18
    for shape in malformed(NOW_MS):
        assert check_records(shape.batch, HEADER_BYTES, 3) is None, shape.name
    good = 0
    for shape in drawn(NOW_MS, 500, seed=2):
        found = check_records(shape.batch, HEADER_BYTES, 3)
        assert found == plain_check(shape.batch[HEADER_BYTES:], 3), shape.name
        good += found is not None
    assert 50 < good < 250


def test_records_and_headers_are_counted_where_they_are_bounded() -> None:
    headers = [("k", b"v")] * 10
    batch = build_batch([(None, b"v" * size, headers, 0) for size in range(30)])
    assert check_records(batch, HEADER_BYTES, 30, 330) == (0, 0)
    with pytest.raises(TooLongError):
        check_records(batch, HEADER_BYTES, 30, 329)


@pytest.mark.parametrize(
    "stamps",
    [
        [*[130] * 2, *[700] * 2, *[320] * 14, 690],  # what ends like the last is not all at the end
        [130, *[320] * 2, *[129] * 14, *[700] * 2],  # nor what begins like the first at the start
        [*range(64, 100), 70],
        [700, *[64] * 20, 8191],
        [*range(100), *range(100, 8000, 100)],
        [-1, *[-70, 300] * 20],
        [63] * 20 + [-64] * 20,
    ],
)
def test_the_least_and_greatest_stamp_are_found_in_any_order(stamps: list[int]) -> None:
    # Longer records of a time between, so that the run begins with the first stamp.
    others = [sorted(stamps)[len(stamps) // 2]] * RUN_MIN
    body = b"".join(
        record_bytes(fields(at, value=b"v" if at < RUN_MIN else b"", timestamp_delta=stamp))
        for at, stamp in enumerate([*others, *stamps])
    )
    expected = (min(stamps), max(stamps))
    assert check_records(body, 0, RUN_MIN + len(stamps)) == expected
