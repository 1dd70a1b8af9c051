"""Consumers of ours in groups, and Admin, against our broker."""

from __future__ import annotations

import pytest

from tests.support.member_scenarios import SCENARIOS, Scenario
from tests.support.runtime import running_broker


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_against_our_broker(scenario: Scenario) -> None:
    async with running_broker() as runtime:
        await scenario(f"127.0.0.1:{runtime.bound[0].port}")
