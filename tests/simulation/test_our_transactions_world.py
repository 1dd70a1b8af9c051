"""Our transactional producer on some simulated machines, and bugs that the judge must see."""

from __future__ import annotations

import pytest

from tests.drill.our_transactions import PLANTS, hunt
from tests.simulation.disk import run_seeds
from tests.simulation.our_transactions import CAMPAIGNS
from tests.support.sizes import size

RUNS = size(fast=10, whole=20)  # `make sim` has thousands
WORLDS_MAX = 60
LATE = {  # for `make drill`
    "a refused commit is a commit",
    "an unanswered commit is a commit",
    "no new epoch after lost batches",
}


def test_all_or_nothing_through_crashes_and_cuts() -> None:
    tally = run_seeds(CAMPAIGNS[0], range(RUNS))
    assert not tally.failure, tally.failure
    assert tally.runs == RUNS
    assert tally.restarts > 2 * RUNS
    assert tally.acknowledged > 5 * RUNS
    assert tally.retries, "nobody was fenced"


@pytest.mark.parametrize("name", sorted(PLANTS.keys() - LATE))
def test_a_planted_bug_is_seen(name: str) -> None:
    worlds, found = hunt(PLANTS[name], WORLDS_MAX)
    assert found, f"nothing seen in {worlds} worlds"
