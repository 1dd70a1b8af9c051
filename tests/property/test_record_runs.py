"""Reading records together gives what reading them one by one gives, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minibroker.protocol.batch import reading
from minibroker.protocol.batch.header import HEADER_BYTES, BatchError
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.batch.runs import RUN_MIN, Record, run_at
from minibroker.protocol.batch.writing import build_batch

from tests.support.sizes import size

NOW = 1_700_000_000_000


def outcome(batch: bytes) -> list[Record] | str:
    try:
        return records_in(batch)
    except BatchError as error:
        return str(error)


def one_by_one(batch: bytes) -> list[Record] | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "RUN_MIN", 2**31)
        return outcome(batch)


@settings(max_examples=size(fast=100, whole=300), deadline=None)
@given(
    size=st.integers(0, 5) | st.integers(55, 70) | st.integers(8_185, 8_195),
    count=st.integers(1, 150),
    step_ms=st.sampled_from([0, 1, 3, 100, 7_000]),
    odd_one=st.none() | st.integers(0, 149),
    spoil=st.none() | st.tuples(st.integers(0, 2**20), st.integers(0, 255)),
)
def test_runs_change_nothing(
    size: int, count: int, step_ms: int, odd_one: int | None, spoil: tuple[int, int] | None
) -> None:
    records = [
        (b"k" if index == odd_one else None, bytes([index]) * size, (), NOW + index * step_ms)
        for index in range(count)
    ]
    batch = bytearray(build_batch(records))
    if spoil is not None:
        at, byte = spoil
        batch[HEADER_BYTES + at % (len(batch) - HEADER_BYTES)] = byte
    assert outcome(bytes(batch)) == one_by_one(bytes(batch))


@pytest.mark.parametrize("count", [RUN_MIN, 64, 65, 8_192, 9_000])
def test_a_run_reaches_as_far_as_its_numbers_keep_their_size(count: int) -> None:
    batch = build_batch([(None, b"abc", (), NOW)] * count)
    run = run_at(batch[HEADER_BYTES:], 0, count)
    assert run is not None
    assert len(run.values) == min(count, 64)
    assert [record.offset for record in records_in(batch)] == [*range(count)]
