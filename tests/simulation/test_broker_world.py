"""A few of the simulated machines of `make sim-disk`, and bugs that its judge must see."""

from __future__ import annotations

import pytest

from tests.simulation.disk import CAMPAIGNS, Campaign, run_seeds
from tests.support.sizes import size

RUNS = size(fast=20, whole=40)  # `make sim-disk` has thousands


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_a_promise_holds_through_crashes(campaign: Campaign) -> None:
    runs = max(10, int(RUNS * campaign.share))
    tally = run_seeds(campaign, range(runs))
    assert not tally.failure, tally.failure
    assert tally.runs == runs
    assert tally.restarts > 2 * runs - tally.lost - tally.refused
    assert tally.acknowledged > 10 * runs
    assert bool(tally.lost) == campaign.loses, "what loses must be seen to lose"
