"""A sample of `make damage`: cuts and flipped bits of a small data directory."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from tests.simulation.damage import (
    CUT,
    OUTCOMES,
    REFUSED,
    UNHARMED,
    Victim,
    cuts,
    flips,
    outcome_of,
    victims,
)

EVERY = 30  # of the cuts
FLIPS = 100


@pytest.mark.parametrize("victim", victims(), ids=lambda victim: victim.name)
def test_each_damage_is_harmless_or_told_or_refused(victim: Victim) -> None:
    seen = {
        outcome_of(victim, path, data)
        for path, data in (
            *islice(cuts(victim), 0, None, EVERY),
            *flips(victim, Random(1), FLIPS),
        )
    }
    assert {UNHARMED, REFUSED} < seen <= {*OUTCOMES}
    assert (CUT in seen) == (victim.name == "killed"), "only what was not flushed may be cut"
