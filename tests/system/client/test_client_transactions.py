"""Our consumer and Admin looking at transactions, against our broker that flushes what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.in_loop.runtime import running_broker
from tests.support.transactions.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_against_our_broker(scenario: Scenario, tmp_path: Path) -> None:
    async with running_broker(tmp_path) as runtime:
        await scenario(f"127.0.0.1:{runtime.bound[0].port}")
