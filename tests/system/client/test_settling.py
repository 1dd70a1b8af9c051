"""Every case of settlement on a broker of ours; interop has the same on a real Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from minibroker.testing import TestBroker

from tests.support.sessions.session_cases import SESSION_CASES, SessionCase
from tests.support.sessions.settling_cases import CASES, Case
from tests.support.sessions.settling_stage import Stage, cut

SETTINGS = {
    "producer.id.expiration.check.interval.ms": "20",
    "auto.create.topics.enable": "false",
}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with TestBroker(
        data_dir=tmp_path / "data", durability="page-cache", settings=SETTINGS
    ) as broker:

        async def lose(topic: str) -> None:
            await broker.kill()
            cut(tmp_path / "data" / f"{topic}-0")
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
    await stage.create("canary")
    await stage.create("t")
    await case(stage, "t")


@pytest.mark.parametrize("case", SESSION_CASES, ids=lambda case: case.__name__)
async def test_a_producer_goes_on(case: SessionCase, stage: Stage, tmp_path: Path) -> None:
    for topic in ("canary", "others", "t"):
        await stage.create(topic)
    await case(stage, "t", tmp_path / "session")
