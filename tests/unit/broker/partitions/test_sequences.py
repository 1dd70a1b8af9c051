"""What Apache Kafka 4.3.1 answers to sequences, row by row, and what our table costs.

Every case is one partition; each step sends one batch and states the answer: stored(offset),
repeated(offset) for a success that stores nothing, or the error code.
"""

import tracemalloc
from typing import Final

import pytest
from minibroker.broker.partitions.sequences import (
    APPEND,
    Append,
    Duplicate,
    SequenceTable,
)
from minibroker.protocol.batch.header import BatchHeader, read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode, Refused

MAX: Final = 2147483647
GAP: Final = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
FENCED: Final = ErrorCode.INVALID_PRODUCER_EPOCH
INVALID: Final = ErrorCode.INVALID_RECORD


def header(first: int, count: int = 1, *, epoch: int = 0, pid: int = 1000) -> BatchHeader:
    """The header of a batch of `count` records whose max_timestamp tells it from others."""
    made = read_header(build_batch([(None, b"v", (), 1_700_000_000_000)]))
    return made._replace(
        producer_id=pid,
        producer_epoch=epoch,
        base_sequence=first,
        last_offset_delta=count - 1,
        records_count=count,
        max_timestamp=1_700_000_000_000 + first,
    )


def stored(offset: int) -> tuple[str, int]:
    return ("stored", offset)


def repeated(offset: int) -> tuple[str, int]:
    return ("repeated", offset)


class OnePartition:
    """A table, and the log end offset of a log that stores what the table lets through."""

    def __init__(self) -> None:
        self.table = SequenceTable()
        self.log_end_offset = 0

    def produce(self, batch: BatchHeader) -> tuple[str, int] | ErrorCode:
        answer = self.table.check(batch)
        match answer:
            case Append():
                base_offset = self.log_end_offset
                self.table.record(batch, base_offset, seen_at_ms=0)
                self.log_end_offset += batch.last_offset_delta + 1
                return stored(base_offset)
            case Duplicate():
                assert answer.next_offset == answer.base_offset + batch.last_offset_delta + 1
                assert answer.max_timestamp == batch.max_timestamp
                return repeated(answer.base_offset)
            case Refused():
                return answer.code


FIVE: Final = [(header(n), stored(n)) for n in range(5)]

CASES: Final = {
    "the first batch, then its retry after a lost answer": [
        (header(0, 3), stored(0)),
        (header(0, 3), repeated(0)),
    ],
    "a retry of four batches ago is known, of more than five ago is not": [
        (header(0, 3), stored(0)),
        *((header(n), stored(n)) for n in (3, 4, 5, 6)),
        (header(3), repeated(3)),
        *((header(n), stored(n)) for n in (7, 8)),
        (header(0, 3), GAP),
    ],
    "each of the five newest batches is known": [
        *FIVE,
        *((header(n), repeated(n)) for n in range(5)),
    ],
    "the sixth batch pushes out the first and only that": [
        *FIVE,
        (header(5), stored(5)),
        (header(0), GAP),
        (header(1), repeated(1)),
    ],
    "a retry neither changes the window nor takes an offset": [
        *FIVE,
        *((header(0), repeated(0)) for _ in range(6)),
        (header(5), stored(5)),
    ],
    "a gap": [(header(0), stored(0)), (header(100), GAP), (header(1), stored(1))],
    "part of a batch": [(header(0, 3), stored(0)), (header(0, 2), GAP)],
    "an overlap with a batch": [(header(0, 3), stored(0)), (header(1, 3), GAP)],
    "more than a batch": [(header(0, 3), stored(0)), (header(0, 5), GAP)],
    "two batches sent again as one": [
        (header(0, 2), stored(0)),
        (header(2, 2), stored(2)),
        (header(0, 4), GAP),
    ],
    "a new epoch must start at 0": [
        (header(0, 5), stored(0)),
        (header(5, epoch=1), GAP),
        (header(0, epoch=1), stored(5)),
    ],
    "an older epoch is fenced, whatever the sequence": [
        (header(0), stored(0)),
        (header(0, epoch=1), stored(1)),
        (header(0), FENCED),
        (header(1), FENCED),
        (header(7), FENCED),
    ],
    "a new epoch has a window of its own": [
        (header(0, 3), stored(0)),
        (header(0, 3, epoch=1), stored(3)),
        (header(0, 3, epoch=1), repeated(3)),
        (header(0, 3), FENCED),
    ],
    "epoch -1 with state": [(header(0), stored(0)), (header(1, epoch=-1), FENCED)],
    "epoch -1 without state is stored, and known when it comes again": [
        (header(0, epoch=-1), stored(0)),
        (header(0, epoch=-1), repeated(0)),
    ],
    "epoch -1 is no epoch, so that any sequence may follow it": [
        (header(0, epoch=-1), stored(0)),
        (header(9, epoch=-1), stored(1)),
        (header(5, epoch=3), stored(2)),
        (header(9, epoch=3), GAP),
    ],
    "an epoch below -1": [(header(0, epoch=-2), FENCED)],
    "a producer id without a sequence": [(header(-1), INVALID), (header(0), stored(0))],
    "a producer id never handed out, from 0": [(header(0, pid=77), stored(0))],
    "a producer id never handed out may start anywhere": [
        (header(7), stored(0)),
        (header(8), stored(1)),
        (header(7), repeated(0)),
        (header(3), GAP),
    ],
    "a first batch of epoch 5": [
        (header(3, epoch=5), stored(0)),
        (header(4, epoch=4), FENCED),
        (header(0, epoch=6), stored(1)),
        (header(4, epoch=5), FENCED),
    ],
    "sequences wrap between batches": [
        (header(MAX - 1), stored(0)),
        (header(MAX), stored(1)),
        (header(0), stored(2)),
        (header(MAX), repeated(1)),
        (header(0), repeated(2)),
        (header(1), stored(3)),
    ],
    "sequences wrap inside a batch": [
        (header(MAX - 1, 4), stored(0)),
        (header(MAX - 1, 4), repeated(0)),
        (header(2), stored(4)),
        (header(0), GAP),
    ],
    "a window of one number is not taken for an epoch": [
        (header(0, 6, epoch=5), stored(0)),
        (header(0, 1, epoch=5), GAP),
        (header(6, epoch=5), stored(6)),
    ],
    "producers do not know of each other": [
        (header(0), stored(0)),
        (header(0, pid=1001, epoch=4), stored(1)),
        (header(1), stored(2)),
        (header(1, pid=1001, epoch=4), stored(3)),
        (header(0), repeated(0)),
    ],
}


@pytest.mark.parametrize("steps", CASES.values(), ids=CASES.keys())
def test_answers_are_those_of_kafka(
    steps: list[tuple[BatchHeader, tuple[str, int] | ErrorCode]],
) -> None:
    partition = OnePartition()
    for number, (batch, expected) in enumerate(steps):
        answer = partition.produce(batch)
        assert answer == expected, f"step {number}: sequence {batch.base_sequence}"


def test_partitions_do_not_know_of_each_other() -> None:
    one, other = OnePartition(), OnePartition()
    assert one.produce(header(0, epoch=1)) == stored(0)
    assert other.produce(header(0, epoch=0)) == stored(0)
    assert other.produce(header(1, epoch=0)) == stored(1)


def test_a_refusal_names_producer_epoch_sequence_and_what_was_expected() -> None:
    partition = OnePartition()
    partition.produce(header(0, 3, epoch=2))
    answers = {
        header(9, epoch=2): "3 is expected, or a retry of one of the newest 5 batches",
        header(9, epoch=1): "an epoch of 2 or more is expected",
        header(9, epoch=3): "0 is expected with a new epoch",
        header(-1, epoch=2): "0 or more is expected",
    }
    for batch, expected in answers.items():
        answer = partition.table.check(batch)
        assert isinstance(answer, Refused)
        assert answer.why == (
            f"producer id 1000, epoch {batch.producer_epoch}, "
            f"first sequence {batch.base_sequence} (1 records): {expected}"
        )


def test_checking_changes_nothing() -> None:
    partition = OnePartition()
    for n in range(3):
        partition.produce(header(n))
    before = list(partition.table.producers())
    for batch in (header(3), header(0), header(9), header(0, epoch=1), header(0, pid=5)):
        partition.table.check(batch)
    assert list(partition.table.producers()) == before
    assert partition.table.check(header(3)) is APPEND


def test_the_window_can_be_listed_newest_first() -> None:
    table = SequenceTable()
    for n in range(7):
        table.record(header(n * 2, 2, epoch=3), base_offset=10 + n, seen_at_ms=500 + n)
    table.record(header(MAX, 2, pid=1001), base_offset=30, seen_at_ms=600)
    first, second = table.producers()
    assert len(table) == 2
    assert (first.producer_id, first.producer_epoch, first.seen_at_ms) == (1000, 3, 506)
    assert [batch[:3] for batch in first.batches] == [
        (n * 2, n * 2 + 1, 10 + n) for n in (6, 5, 4, 3, 2)
    ]
    assert [batch[:3] for batch in second.batches] == [(MAX, 0, 30)]
    assert second.batches[0].max_timestamp == 1_700_000_000_000 + MAX


def test_recording_checks_nothing_because_the_log_is_right() -> None:
    table = SequenceTable()
    table.record(header(5, epoch=4), base_offset=0, seen_at_ms=0)
    table.record(header(9, epoch=4), base_offset=1, seen_at_ms=0)
    table.record(header(9, epoch=2), base_offset=2, seen_at_ms=0)
    (state,) = table.producers()
    assert state.producer_epoch == 2
    assert [batch.first_sequence for batch in state.batches] == [9]


def test_a_batch_without_a_producer_id_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError):
        SequenceTable().check(header(-1, pid=-1, epoch=-1))
    with pytest.raises(AssertionError):
        SequenceTable().record(header(-1, pid=-1, epoch=-1), base_offset=0, seen_at_ms=0)


def test_a_producer_with_a_full_window_costs_under_500_bytes() -> None:
    producers = 2_000
    batch = header(0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        table = SequenceTable()
        for pid in range(10**12, 10**12 + producers):
            for n in range(5):
                table.record(batch._replace(producer_id=pid, base_sequence=n), 10**9 + n, 10**12)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert all(len(state.batches) == 5 for state in table.producers())
    assert used / producers < 500
