"""Producers with durable sessions on some simulated machines, and bugs that the judge must see."""

from __future__ import annotations

import pytest

from tests.drill.sessions import PLANTS, hunt
from tests.simulation.disk import Campaign, run_seeds
from tests.simulation.sessions import CAMPAIGNS

RUNS = 8
WORLDS_MAX = 60
LATE = {  # for `make drill`
    "a failed flush is a flush",
    "an old producer id goes on",
    "new identities of batches are not flushed",
    "steps leave before they close",
    "the log is not read",
    "what is absent goes under a new identity",
    "what nobody knows is guessed",
    "what is journaled expires",
    "what was open is sent again blindly",
}


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda each: each.durability)
def test_every_line_is_stored_once_through_deaths(campaign: Campaign) -> None:
    tally = run_seeds(campaign, range(RUNS))
    assert not tally.failure, tally.failure
    assert tally.runs == RUNS
    assert tally.retries > RUNS, "too few producers died"
    assert tally.restarts > RUNS


@pytest.mark.parametrize("name", sorted(PLANTS.keys() - LATE))
def test_a_planted_bug_is_seen(name: str) -> None:
    worlds, found = hunt(name, WORLDS_MAX)
    assert found, f"nothing seen in {worlds} worlds"
