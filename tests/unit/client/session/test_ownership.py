"""What a coordinator gives is taken only where it is of the producer id that the journal knows."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from minibroker.client.config import ProducerConfig
from minibroker.client.session.leaving.ownership import Forgotten, Grant, Ownership

CONFIG = ProducerConfig(bootstrap_servers=(("x", 1),))
BEFORE = Grant(7, 3)


async def renewed(monkeypatch: pytest.MonkeyPatch, given: Grant) -> Ownership:
    cluster: Any = None  # nobody is asked
    ownership = Ownership("id", CONFIG, cluster, Random(1))
    ownership.granted = BEFORE

    async def initialise(self: Ownership, grant: Grant) -> Grant:
        assert grant == BEFORE
        return given

    monkeypatch.setattr(Ownership, "_initialise", initialise)
    try:
        await ownership.renew()
    except Forgotten as forgotten:
        ownership.problem = str(forgotten)
    return ownership


async def test_a_later_epoch_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    ownership = await renewed(monkeypatch, Grant(7, 4))
    assert (ownership.granted, ownership.problem) == (Grant(7, 4), "")


async def test_another_producer_id_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another partition that waits would be registered under it, and is in no journal so."""
    ownership = await renewed(monkeypatch, Grant(8, 0))
    assert ownership.granted == BEFORE
    assert "has forgotten producer id 7" in ownership.problem
