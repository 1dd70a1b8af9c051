"""A few of the simulated machines of `make sim-txn`."""

from __future__ import annotations

import pytest

from tests.simulation.disk import Campaign, run_seeds
from tests.simulation.transactions import CAMPAIGNS
from tests.support.sizes import size
from tests.support.transaction_worlds.commit_world import EveryStep

RUNS = size(fast=10, whole=20)  # `make sim-txn` has thousands


@pytest.mark.parametrize("campaign", CAMPAIGNS[:2], ids=lambda campaign: campaign.name)
def test_all_or_nothing_through_crashes(campaign: Campaign) -> None:
    runs = max(10, int(RUNS * campaign.share))
    tally = run_seeds(campaign, range(runs))
    assert not tally.failure, tally.failure
    assert tally.runs == runs
    assert tally.restarts > 2 * runs
    assert tally.acknowledged > 5 * runs
    assert tally.retries, "nobody was fenced"


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(0, id="new client"),
        pytest.param(1, id="old client", marks=pytest.mark.crash),  # four times as many steps
    ],
)
def test_power_is_lost_at_every_step_of_two_transactions(seed: int) -> None:
    world = EveryStep(seed, durability="fsync", ends=("power",))
    outcome = world.run()
    assert not outcome.found, "\n".join(outcome.found + world.machine.transcript[-40:])
    assert not outcome.refused
    assert world.count > 20
    assert outcome.power_losses >= 2 * world.count, "a step was not reached"
