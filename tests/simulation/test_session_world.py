"""Producers with durable sessions on some simulated machines, and bugs that the judge must see."""

from __future__ import annotations

import pytest

from tests.simulation.disk import Campaign, run_seeds
from tests.simulation.sessions import CAMPAIGNS

RUNS = 12


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda each: each.durability)
def test_every_line_is_stored_once_through_deaths(campaign: Campaign) -> None:
    tally = run_seeds(campaign, range(RUNS))
    assert not tally.failure, tally.failure
    assert tally.runs == RUNS
    assert tally.retries > RUNS, "too few producers died"
    assert tally.restarts > RUNS
