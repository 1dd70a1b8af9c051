"""What the loop of killed sessions calls wrong: each of its four words, and nothing else."""

from __future__ import annotations

import pytest

from tests.crash.sessions.source import line, partitions_of, wrong

PLACES = [0, 1, 0, 0, 1]
WELL: dict[int, list[bytes | None]] = {
    0: [line(0), line(2), line(3)],
    1: [line(1), line(4)],
}


def test_all_is_well() -> None:
    assert wrong(PLACES, WELL) == []


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ([line(0), line(3)], "1 missing: [b'0000002']"),
        ([], "3 missing: [b'0000000', b'0000002', b'0000003']"),
        ([line(0), line(2), line(2), line(3)], "1 doubled: [b'0000002']"),
        ([line(0), line(2), line(3), line(0)], "1 doubled: [b'0000000']"),
        ([line(0), line(3), line(2)], "1 out of order: [b'0000003']"),
        ([line(0), line(2), line(3), line(1)], "1 strange: [b'0000001']"),
        ([line(0), line(2), line(3), None], "1 strange: [None]"),
    ],
)
def test_each_of_four_is_told(stored: list[bytes | None], said: str) -> None:
    assert f"partition 0: {said}" in wrong(PLACES, {**WELL, 0: stored})


def test_half_of_the_lines_go_to_one_partition() -> None:
    places = partitions_of(7, 10_000, 8)
    assert places == partitions_of(7, 10_000, 8)
    assert set(places) == set(range(8))
    assert 5_000 < places.count(0) < 6_500
