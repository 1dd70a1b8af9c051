"""Our broker answers about transactions as Apache Kafka does, but for the differences it lists.

The answers are written beside the requests in tests/support/transactions/rows; tests/interop has
them played against a Kafka.
"""

from __future__ import annotations

import pytest
from minibroker.broker.transactions import transactions
from minibroker.cli.deviations import DEVIATIONS

from tests.support.transactions.differences import KEYS
from tests.support.transactions.playing import HOUSES, ours_of, play

PATIENT_MS = 10_000  # nobody is told 51 because the machine is busy; `prepare` has who is told it
SCENARIOS = [(house, name) for house, its in HOUSES.items() for name in its.scenarios]


@pytest.mark.parametrize(("house", "name"), SCENARIOS)
async def test_ours_answers_as_is_written(
    house: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not name.startswith("prepare."):
        monkeypatch.setattr(transactions, "POSTPONED_MS_MAX", PATIENT_MS)
    async with ours_of(HOUSES[house]) as peer:
        played = await play(HOUSES[house].scenarios[name], name, peer)
    assert not played.wrong, "\n".join(played.wrong)


def test_each_difference_is_a_deviation_that_readers_are_told() -> None:
    assert set(KEYS) <= DEVIATIONS.keys()
