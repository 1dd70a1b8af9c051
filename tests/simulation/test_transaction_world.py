"""A few of the simulated machines of `make sim-txn`."""

from __future__ import annotations

import pytest

from tests.simulation.disk import Campaign, run_seeds
from tests.simulation.transactions import CAMPAIGNS

RUNS = 40


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_all_or_nothing_through_crashes(campaign: Campaign) -> None:
    runs = max(10, int(RUNS * campaign.share))
    tally = run_seeds(campaign, range(runs))
    assert not tally.failure, tally.failure
    assert tally.runs == runs
    assert tally.restarts > 2 * runs
    assert tally.acknowledged > 5 * runs
    assert tally.retries, "nobody was fenced"
