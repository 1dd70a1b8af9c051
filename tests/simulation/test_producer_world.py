"""The producer in simulated worlds: some hundred seeds, and bugs that the judge must see."""

from __future__ import annotations

import pytest

from tests.drill.client import PLANTS, hunt
from tests.simulation.producer import run_seeds
from tests.support.sizes import size

RUNS = size(fast=60, whole=300)  # `make sim` has thousands
WORLDS_MAX = 800
CHUNKS = 3


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_record_is_stored_once_and_in_order(chunk: int) -> None:
    tally = run_seeds(range(chunk * RUNS // CHUNKS, (chunk + 1) * RUNS // CHUNKS))
    assert not tally.found, "\n".join(tally.found)
    for word in ("acknowledged", "not stored", "in doubt"):
        assert tally.told[word] > 0, f"worlds without a record {word} prove little"


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_seen(name: str) -> None:
    worlds, found = hunt(PLANTS[name], WORLDS_MAX)
    assert found, f"nothing seen in {worlds} worlds"
