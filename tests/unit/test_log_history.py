"""The judge of simulated machines sees what may not be, and no more.

What holds of single records is testing/histories/history.py's, and tested with it.
"""

from __future__ import annotations

import pytest

from tests.support.worlds.log_history import History, SentBatch, StoredBatch, StoredLog, findings

PLACE = ("t", 0)
BEFORE = SentBatch(PLACE, 0, "p", (b"a", b"b"), 7, b"", acknowledged_at=0)
AFTER = SentBatch(PLACE, 0, "p", (b"c", b"d"), 7, b"", acknowledged_at=None)
EARLIER_LIFE = SentBatch(PLACE, -1, "p", (b"z",), 7, b"", acknowledged_at=0)


def judged(*records: tuple[int, bytes], start_offset: int = 0, expires: bool = False) -> list[str]:
    history = History(sent=[BEFORE, AFTER, EARLIER_LIFE], lives={"t": 0}, expires=expires)
    log = StoredLog(start_offset, [StoredBatch(0, 7, b"", records)])
    return [each.split(": ")[1].split(" ")[0] for each in findings(history, {PLACE: log})]


def test_what_was_promised_and_is_there_is_well() -> None:
    assert judged((0, b"a"), (1, b"b")) == []
    assert judged((0, b"a"), (1, b"b"), (2, b"c"), (3, b"d")) == [], "it may be stored"
    assert judged((2, b"c"), (3, b"d"), start_offset=2, expires=True) == [], "retention took it"


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([(0, b"c"), (1, b"d")], ["lost", "lost"]),
        ([(0, b"a")], ["lost", "torn"]),
        ([(0, b"a"), (1, b"b"), (2, b"c")], ["torn"]),
        ([(0, b"a"), (1, b"b"), (3, b"c"), (4, b"d")], ["offsets"]),
        ([(0, b"a"), (1, b"b"), (2, b"a"), (3, b"b")], ["duplicated", "duplicated"]),
        ([(0, b"a"), (1, b"b"), (2, b"x")], ["invented"]),
        ([(0, b"a"), (1, b"b"), (2, b"z")], ["invented"]),
        ([(0, b"b"), (1, b"a")], ["wrong", "wrong", "reordered", "torn"]),
    ],
)
def test_what_may_not_be_is_told(records: list[tuple[int, bytes]], words: list[str]) -> None:
    assert judged(*records) == words


def test_what_retention_may_have_removed_is_missed_without_retention() -> None:
    assert judged((2, b"c"), (3, b"d"), start_offset=2) == ["lost", "lost"]
