"""Workers of process() on some simulated machines, and bugs that the judge must see."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.drill.processing import PLANTS, hunt
from tests.simulation.disk import run_seeds
from tests.simulation.our_transactions import PROCESSING
from tests.support.sizes import size

RUNS = size(fast=4, whole=8)
WORLDS_MAX = 15
QUICK = {  # others: `make drill`
    "the offset of the last record",
    "an aborted batch is taken for committed",
}
# Processes of a world are killed: their coroutines end without a word, at any time.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]


@pytest.fixture(autouse=True)
def _buried() -> Iterator[None]:
    """What is left of killed processes ends here, and not in the middle of another test."""
    yield
    gc.collect()


def test_each_record_once_through_crashes_and_rebalances() -> None:
    tally = run_seeds(PROCESSING, range(RUNS))
    assert not tally.failure, tally.failure
    assert tally.runs == RUNS
    assert tally.restarts > RUNS


@pytest.mark.parametrize("name", sorted(QUICK))
def test_a_planted_bug_is_seen(name: str) -> None:
    worlds, found = hunt(PLANTS[name], WORLDS_MAX)
    assert found, f"nothing seen in {worlds} worlds"
