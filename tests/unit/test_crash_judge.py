"""The judge of `make crash` sees what may not be."""

from __future__ import annotations

import pytest

from tests.crash.judge import Promise, StoredLog, judge
from tests.support.processes.load import value_of

GOOD = [(0, value_of("a", 0)), (1, value_of("b", 0)), (2, value_of("a", 2))]
PROMISED = {"a": [Promise(0, 0, 0), Promise(2, 0, 2)], "b": [Promise(0, 0, -1)]}


def judged(*records: tuple[int, bytes], start_offset: int = 0) -> list[str]:
    return judge(PROMISED, [StoredLog(start_offset, records), StoredLog(0, [])])


def test_what_was_promised_and_is_there_is_well() -> None:
    assert judged(*GOOD) == []
    assert judged(*GOOD, (3, value_of("b", 2))) == [], "what was not acknowledged may be there"
    assert judged(*GOOD[1:], start_offset=1) == [], "retention has removed it"


@pytest.mark.parametrize(
    ("records", "word"),
    [
        (GOOD[:2], "lost"),
        ([(1, GOOD[0][1]), (2, GOOD[2][1])], "lost"),
        ([*GOOD, (3, value_of("a", 2))], "duplicated"),
        ([*GOOD, (3, b"x")], "invented"),
        ([*GOOD, (3, value_of("c", 4))], "invented"),
        ([*GOOD, (3, value_of("a", 2)[:-1] + b"x")], "invented"),
        ([*GOOD, (3, value_of("b", 1))], "misplaced"),
        ([*GOOD, (3, value_of("b", 4)), (4, value_of("b", 2))], "reordered"),
    ],
)
def test_what_may_not_be_is_told(records: list[tuple[int, bytes]], word: str) -> None:
    assert [each.partition(":")[0] for each in judged(*records)] == [word]
