"""Every case of settlement on a broker of ours; interop has the same on a real Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from minibroker.testing import TestBroker

from tests.support.sessions.settling_cases import CASES, Case
from tests.support.sessions.settling_stage import Stage

SETTINGS = {
    "producer.id.expiration.ms": "400",
    "producer.id.expiration.check.interval.ms": "20",
    "auto.create.topics.enable": "false",
}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with TestBroker(durability="page-cache", settings=SETTINGS) as broker:

        async def lose(topic: str) -> None:
            await broker.lose_power()
            await broker.start()

        async def deny(topic: str) -> None:
            for api in ("DescribeProducers", "Fetch"):
                broker.faults.error(api, "TOPIC_AUTHORIZATION_FAILED")

        stage = Stage(
            broker.bootstrap_servers, stop=broker.kill, start=broker.start, lose=lose, deny=deny
        )
        yield stage
        await stage.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_the_named_outcome_and_nothing_twice_or_lost(case: Case, stage: Stage) -> None:
    await stage.create("t")
    await case(stage, "t")
