"""Every scenario of one broker at once: what others do changes nobody's answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from minibroker.broker.transactions import transactions

from tests.support.transactions.brokers import our_peer
from tests.support.transactions.playing import HOUSES, play

# These hold all markers, change the broker, or count what a moment takes: among so many, on a busy
# machine, it is longer than the second of a timeout.
ALONE = ("prepare.", "timeouts.", "produce_new.without_verification", "produce_new.unacknowledged")
PATIENT_MS = 10_000  # nobody is told 51 because others keep the disk busy


@pytest.mark.parametrize("durability", ["fsync", "page-cache", "memory"])
async def test_scenarios_do_not_meet(
    durability: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "POSTPONED_MS_MAX", PATIENT_MS)
    house = HOUSES["common"]
    chosen = {
        name: scenario for name, scenario in house.scenarios.items() if not name.startswith(ALONE)
    }
    data_dir = None if durability == "memory" else tmp_path
    async with our_peer(house.our_settings, durability=durability, data_dir=data_dir) as peer:
        played = await asyncio.gather(*(play(each, name, peer) for name, each in chosen.items()))
    wrong = [
        f"{name}: {each}" for name, its in zip(chosen, played, strict=True) for each in its.wrong
    ]
    assert not wrong, "\n".join(wrong)
