"""Unsigned varints and tag sections that nobody reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minibroker.protocol.batch.reading import read_varint
from minibroker.protocol.varint import read_uvarint, skip_tags, uvarint, varint

KNOWN = {0: "00", 1: "01", 127: "7f", 128: "8001", 300: "ac02", 2**32 - 1: "ffffffff0f"}


@pytest.mark.parametrize(("value", "encoded"), KNOWN.items())
def test_known_values(value: int, encoded: str) -> None:
    assert uvarint(value).hex() == encoded
    assert read_uvarint(bytes.fromhex(encoded), 0, len(encoded) // 2) == (value, len(encoded) // 2)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=3))
def test_what_is_written_is_read_back(value: int, before: bytes) -> None:
    frame = before + uvarint(value)
    assert read_uvarint(frame, len(before), len(frame)) == (value, len(frame))


@pytest.mark.parametrize(
    "encoded", ["", "80", "ffffffff", "ffffffff10", "8080808080", "818080808000"]
)
def test_cut_long_and_large_ones_are_refused(encoded: str) -> None:
    with pytest.raises(ValueError, match="varint"):
        read_uvarint(bytes.fromhex(encoded), 0, len(encoded) // 2)


def test_the_limit_counts_not_the_end_of_the_buffer() -> None:
    with pytest.raises(ValueError, match="cut off"):
        read_uvarint(b"\x80\x01", 0, 1)


def test_tags_are_skipped_in_ascending_order_only() -> None:
    assert skip_tags(bytes.fromhex("02 03 00 09 02 aabb ff"), 0, 7) == 7
    with pytest.raises(ValueError, match="tag 3 follows tag 3"):
        skip_tags(bytes.fromhex("02 03 00 03 00"), 0, 5)
    with pytest.raises(ValueError, match="claims 2 bytes, 1 are left"):
        skip_tags(bytes.fromhex("01 03 02 aa"), 0, 4)


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, b"\x00"),
        (-1, b"\x01"),
        (1, b"\x02"),
        (63, b"\x7e"),
        (-65, b"\x81\x01"),
        (300, b"\xd8\x04"),
        (2**63 - 1, b"\xfe" + b"\xff" * 8 + b"\x01"),
        (-(2**63), b"\xff" * 9 + b"\x01"),
    ],
)
def test_zig_zag(number: int, encoded: bytes) -> None:
    assert varint(number) == encoded
    assert read_varint(encoded, 0) == (number, len(encoded))
