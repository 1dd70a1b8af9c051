"""The ring of sequence numbers, at its seam above all."""

import pytest
from minibroker.protocol.sequence import SEQUENCE_MAX, add, last_of, next_of


@pytest.mark.parametrize(
    ("sequence", "count", "expected"),
    [
        (0, 0, 0),
        (7, 3, 10),
        (SEQUENCE_MAX, 0, SEQUENCE_MAX),
        (SEQUENCE_MAX, 1, 0),
        (SEQUENCE_MAX - 1, 4, 2),
        (SEQUENCE_MAX, SEQUENCE_MAX, SEQUENCE_MAX - 1),
        (0, -1, SEQUENCE_MAX),
        (2, -4, SEQUENCE_MAX - 1),
    ],
)
def test_adding_goes_round_the_ring_and_never_below_zero(
    sequence: int, count: int, expected: int
) -> None:
    assert add(sequence, count) == expected


def test_a_batch_of_one_ends_where_it_starts() -> None:
    assert last_of(5, 1) == 5
    assert last_of(SEQUENCE_MAX, 1) == SEQUENCE_MAX


def test_a_batch_may_lie_across_the_seam() -> None:
    assert last_of(SEQUENCE_MAX - 1, 4) == 1


def test_zero_follows_the_largest_sequence() -> None:
    assert next_of(SEQUENCE_MAX) == 0
    assert next_of(0) == 1
    assert next_of(SEQUENCE_MAX - 1) == SEQUENCE_MAX
