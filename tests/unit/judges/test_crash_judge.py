"""The judge of `make crash` sees what may not be."""

from __future__ import annotations

import pytest

from tests.crash.judge import LogRecords, Promise, judge
from tests.support.processes.load import value_of

GOOD = [(0, value_of("a", 0)), (1, value_of("b", 0)), (2, value_of("a", 2))]
PROMISED = {"a": [Promise(0, 0, 0), Promise(2, 0, 2)], "b": [Promise(0, 0, -1)]}


def judged(*records: tuple[int, bytes], start_offset: int = 0) -> list[str]:
    return judge(PROMISED, [LogRecords(start_offset, records), LogRecords(0, [])])


def test_what_was_promised_and_is_there_is_well() -> None:
    assert judged(*GOOD) == []
    assert judged(*GOOD, (3, value_of("b", 2))) == [], "what was not acknowledged may be there"
    assert judged(*GOOD[1:], start_offset=1) == [], "retention has removed it"
    assert judged(GOOD[2], start_offset=2) == [], "and this, though nobody was told its offset"


@pytest.mark.parametrize(
    ("records", "word"),
    [
        (GOOD[:2], "lost"),
        ([(0, GOOD[0][1]), (2, GOOD[2][1])], "lost"),
        ([(0, GOOD[0][1]), (1, GOOD[1][1]), (3, GOOD[2][1])], "wrong offset"),
        ([*GOOD, (3, value_of("a", 2))], "duplicated"),
        ([*GOOD, (3, b"x")], "invented"),
        ([*GOOD, (3, value_of("c", 4))], "invented"),
        ([*GOOD, (3, value_of("a", 2)[:-1] + b"x")], "invented"),
        ([*GOOD, (3, value_of("b", 1))], "invented"),
        ([*GOOD, (3, value_of("b", 4)), (4, value_of("b", 2))], "reordered"),
    ],
)
def test_what_may_not_be_is_told(records: list[tuple[int, bytes]], word: str) -> None:
    assert [each.partition(":")[0] for each in judged(*records)] == [word]


def test_a_promise_in_a_partition_that_is_not_its_number_s_is_told() -> None:
    told = judge(
        {"a": [Promise(1, 0, 0)]}, [LogRecords(0, [(0, value_of("a", 1))]), LogRecords(0, [])]
    )
    assert [each.partition(":")[0] for each in told] == ["misplaced", "invented", "lost"]
