"""What the session of transactional clients would have found, had something been wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest
from minibroker.testing import Kept

from tests.interop.transactional_clients.judgement import Account
from tests.interop.transactional_clients.programs.conversation import PARTITIONS

COMMITTED, ABORTED, AGAIN = "c/0/0", "c/1/0", "c/2/1"
OFFSETS = {COMMITTED: 0, ABORTED: 2, "c/2/0": 4, AGAIN: 6}
Change = Callable[[Account], object]


def account() -> Account:
    """One committed, one aborted, one committed with its second attempt; all is well."""
    found = Account("c", "g")
    found.told("c/0", "commit", ["committed"])
    found.found_offset("c/0", 1)
    found.told("c/1", "abort", ["aborted"])
    found.found_offset("c/1", 1)
    found.told("c/2", "commit", ["dropped", "committed"])
    found.found_offset("c/2", 2)
    return found


def printed(names: Iterable[str], partitions: Iterable[int] = range(PARTITIONS)) -> list[str]:
    return [
        json.dumps({"partition": each, "offset": OFFSETS[name], "value": f"{name}/{each}"})
        for name in names
        for each in partitions
    ]


def judged(found: Account, lines: list[str]) -> list[str]:
    stored = {
        each: [Kept(offset, f"{name}/{each}".encode()) for name, offset in OFFSETS.items()]
        for each in range(PARTITIONS)
    }
    found.judge("r", "\n".join(lines), stored)
    return found.findings


def test_nothing_is_found_where_all_is_well() -> None:
    assert judged(account(), printed([COMMITTED, AGAIN])) == []


def test_a_record_that_is_given_again_is_one() -> None:
    assert judged(account(), printed([COMMITTED, AGAIN, COMMITTED])) == []


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (printed([COMMITTED, ABORTED, AGAIN]), "an aborted transaction was read"),
        (printed([COMMITTED, "c/2/0", AGAIN]), "read before its commit was asked for"),
        (printed([COMMITTED]), "a commit was lost"),
        ([*printed([COMMITTED]), *printed([AGAIN], range(3))], "a commit was lost"),
        ([*printed([COMMITTED, AGAIN]), printed([AGAIN])[0].replace("/1/", "/0/")], "then b"),
    ],
)
def test_a_reader_that_was_given_something_else(lines: list[str], text: str) -> None:
    assert text in judged(account(), lines)[0]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda found: found.told("c/3", "zombie", ["committed"]), "was to zombie, and committed"),
        (lambda found: found.told("c/3", "commit", ["fenced"]), "was to commit, and fenced"),
        (lambda found: found.told("c/3", "abort", ["committed"]), "was to abort, and committed"),
        (lambda found: found.found_offset("c/2", 1), "offset 1, where 2 is committed"),
        (lambda found: found.found_offset("c/2", 3), "offset 3, where 2 is committed"),
    ],
)
def test_an_answer_that_may_not_be(change: Change, text: str) -> None:
    found = account()
    change(found)
    assert text in found.findings[0]


@pytest.mark.parametrize(("offset", "outcomes"), [(2, 0), (3, 1)])
def test_the_offset_tells_what_came_of_one_in_doubt(offset: int, outcomes: int) -> None:
    found = account()
    found.told("c/3", "commit", ["unknown"])
    found.found_offset("c/3", offset)
    assert found.findings == []
    assert found.outcomes["found committed"] == outcomes
    assert found.position == offset
