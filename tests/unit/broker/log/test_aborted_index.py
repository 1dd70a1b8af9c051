"""The `.txnindex` of Kafka: its bytes, and which aborted transactions a reader is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.broker.log.aborted_index import (
    ENTRY_BYTES,
    AbortedIndex,
    AbortedTransaction,
    DamagedAbortedIndex,
)
from minibroker.protocol.batch.control import read_marker
from minibroker.protocol.batch.header import headers_in

GOLDEN = Path(__file__).parents[3] / "golden" / "transactions"
A, B, C = 5, 6, 7
# Measured: a writes 0-1 and 6, b 2-3, c 5; a aborts (10), c (13), b, which wrote 11 (14), c (17).
READERS = (
    AbortedTransaction(A, 0, 10, 5),
    AbortedTransaction(C, 5, 13, 11),
    AbortedTransaction(B, 11, 14, 15),
    AbortedTransaction(C, 16, 17, 15),
)


def index_of(*entries: AbortedTransaction) -> AbortedIndex:
    index = AbortedIndex()
    for entry in entries:
        index.add(entry)
    return index


def test_the_index_made_of_kafkas_batches_is_kafkas_file() -> None:
    log, index = (GOLDEN / f"{2:020d}.log").read_bytes(), AbortedIndex()
    first_offsets: dict[int, int] = {}
    for position, header in headers_in(log):
        if not header.is_control:
            first_offsets.setdefault(header.producer_id, header.base_offset)
            continue
        marker = read_marker(log[position : position + header.size_bytes])
        first_offset = first_offsets.pop(header.producer_id, None)
        if marker is not None and not marker.is_commit and first_offset is not None:
            stable = min(first_offsets.values(), default=header.next_offset)
            entry = (header.producer_id, first_offset, header.base_offset, stable)
            index.add(AbortedTransaction(*entry))
    file = (GOLDEN / f"{2:020d}.txnindex").read_bytes()
    assert index.encoded() == file
    assert list(AbortedIndex.decoded(file, 2)) == list(index)
    assert len(index) == 5


@pytest.mark.parametrize(
    ("fetch_offset", "told"),
    [
        (0, [(A, 0), (C, 5), (B, 11), (C, 16)]),
        (11, [(C, 5), (B, 11), (C, 16)]),
        (14, [(B, 11), (C, 16)]),
        (15, [(C, 16)]),
        (18, []),
    ],
)
def test_a_reader_is_told_what_ends_at_its_offset_or_later(
    fetch_offset: int, told: list[tuple[int, int]]
) -> None:
    found, _ = index_of(*READERS).aborted(fetch_offset, 19)
    assert [(each.producer_id, each.first_offset) for each in found] == told


def test_the_order_is_that_of_the_endings() -> None:
    found, _ = index_of(
        AbortedTransaction(C, 2, 3, 0),
        AbortedTransaction(A, 0, 4, 1),
        AbortedTransaction(B, 1, 5, 6),
    ).aborted(0, 6)
    assert [(each.producer_id, each.first_offset) for each in found] == [(C, 2), (A, 0), (B, 1)]


def test_the_search_ends_where_nothing_further_can_concern_the_reader() -> None:
    assert index_of(*READERS).aborted(0, 5) == ([READERS[0]], True)
    assert index_of(*READERS).aborted(0, 11) == ([READERS[0], READERS[1]], True)
    assert index_of(*READERS).aborted(0, 16) == ([*READERS[:3]], False)


@settings(deadline=None)
@given(st.data())
def test_no_transaction_among_the_offsets_read_is_left_out(data: st.DataObject) -> None:
    """Against a model: transactions of several producers, each open at most once."""
    index, began, ended = AbortedIndex(), dict[int, int](), list[AbortedTransaction]()
    end_offset = data.draw(st.integers(1, 40))
    for offset in range(end_offset):
        producer = data.draw(st.integers(0, 3))
        if producer in began and data.draw(st.booleans()):
            first = began.pop(producer)
            stable = min(began.values(), default=offset + 1)
            ended.append(AbortedTransaction(producer, first, offset, stable))
            index.add(ended[-1])
        else:
            began.setdefault(producer, offset)
    fetch_offset = data.draw(st.integers(0, end_offset))
    upper = data.draw(st.integers(fetch_offset, end_offset))
    found, _ = index.aborted(fetch_offset, upper)
    needed = [
        each for each in ended if each.first_offset < upper and each.last_offset >= fetch_offset
    ]
    assert found == needed
    cut = data.draw(st.integers(0, end_offset))
    index.truncate(cut)
    assert list(index) == [each for each in ended if each.last_offset < cut]


@pytest.mark.parametrize(
    ("entries", "base_offset"),
    [
        ([READERS[0]._replace(first_offset=11)], 0),
        ([READERS[1], READERS[0]], 0),
        ([READERS[0], READERS[0]], 0),
        ([READERS[0]], 11),
    ],
)
def test_an_index_out_of_order_is_made_anew(
    entries: list[AbortedTransaction], base_offset: int
) -> None:
    data = b"".join(index_of(entry).encoded() for entry in entries)
    with pytest.raises(DamagedAbortedIndex):
        AbortedIndex.decoded(data, base_offset)


@pytest.mark.parametrize("length", range(1, ENTRY_BYTES))
def test_an_entry_cut_short_is_made_anew(length: int) -> None:
    data = index_of(*READERS).encoded()
    with pytest.raises(DamagedAbortedIndex):
        AbortedIndex.decoded(data[: -ENTRY_BYTES + length], 0)


def test_an_entry_of_another_version_is_made_anew() -> None:
    with pytest.raises(DamagedAbortedIndex):
        AbortedIndex.decoded(b"\0\1" + index_of(READERS[0]).encoded()[2:], 0)
