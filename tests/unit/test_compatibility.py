"""docs/compatibility.md says what allow.txt promises, and what judges a client can find it guilty.

The clients themselves run in tests/interop/matrix (`make interop`).
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec
from minibroker.testing.stored import Stored

from tests.interop.matrix.catalogue import CLIENTS
from tests.interop.matrix.judgement import assert_codec, assert_once_in_order, assert_sequences
from tests.interop.matrix.records import as_line, from_line, given_records
from tests.interop.matrix.report import HEAD, PAGE, allowed, passed_cells

GIVEN = given_records("t", 40)
STORED = [
    Stored(0, offset, each.key, each.value, each.headers, 0, 7, 0, offset)
    for offset, each in enumerate(GIVEN)
]
OFFSETS = list(range(len(GIVEN)))


def test_the_page_says_what_allow_txt_promises() -> None:
    table = PAGE.read_text(encoding="utf-8").partition(HEAD)[2].splitlines()[2:]
    rows = {cells[0]: cells[3:6] for cells in (row[2:-2].split(" | ") for row in table)}
    promised = {
        client.name: passed_cells(
            client, {check for name, check in allowed() if name == client.name}
        )
        for client in CLIENTS
    }
    assert rows == promised


def test_allow_txt_names_checks_that_exist() -> None:
    assert allowed() <= {(client.name, check) for client in CLIENTS for check in client.checks()}


def test_a_record_survives_the_exchange_between_programs() -> None:
    assert [from_line(as_line(each, 5)) for each in GIVEN] == [(5, each) for each in GIVEN]
    assert from_line(as_line(GIVEN[0])) == (None, GIVEN[0])


def test_what_is_stored_once_in_order_is_accepted() -> None:
    assert_once_in_order(STORED, GIVEN, OFFSETS)
    assert_once_in_order(STORED, GIVEN, None)
    assert_sequences(STORED, is_idempotent=True)


@pytest.mark.parametrize(
    ("stored", "acknowledged", "why"),
    [
        (STORED[:-1], OFFSETS, "39 records, not 40"),
        ([*STORED, STORED[-1]], OFFSETS, "41 records, not 40"),
        ([STORED[1], STORED[0], *STORED[2:]], OFFSETS, "record 0"),
        ([replace(STORED[0], headers=[("new", None)]), *STORED[1:]], OFFSETS, "record 0"),
        ([*STORED[:-1], replace(STORED[-1], offset=40)], OFFSETS, "holes"),
        (STORED, [*OFFSETS[1:], 0], "other offsets"),
    ],
)
def test_what_is_lost_doubled_swapped_or_altered_is_found(
    stored: list[Stored], acknowledged: list[int], why: str
) -> None:
    with pytest.raises(AssertionError, match=why):
        assert_once_in_order(stored, GIVEN, acknowledged)


def test_an_idempotent_client_that_is_not_is_found() -> None:
    plain = [replace(each, producer_id=-1, sequence=-1) for each in STORED]
    assert_sequences(plain, is_idempotent=False)
    with pytest.raises(AssertionError, match="idempotent"):
        assert_sequences(plain, is_idempotent=True)
    with pytest.raises(AssertionError, match="idempotent"):
        assert_sequences(STORED, is_idempotent=False)
    with pytest.raises(AssertionError, match="holes"):
        assert_sequences(STORED[1:], is_idempotent=True)


def test_a_batch_stored_in_another_codec_is_found_unless_it_is_tiny() -> None:
    plain, tiny, packed = (
        read_header(build_batch([(None, value, (), 0)], codec=codec))
        for value, codec in [
            (b"x" * 2_000, Codec.NONE),
            (b"x", Codec.NONE),
            (b"x" * 2_000, Codec.GZIP),
        ]
    )
    assert_codec([packed, tiny], "gzip")
    for headers, codec in [([packed, plain], "gzip"), ([packed], "lz4"), ([tiny], "gzip")]:
        with pytest.raises(AssertionError, match="stored with"):
            assert_codec(headers, codec)
