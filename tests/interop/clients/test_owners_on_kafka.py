"""Every case of a session's owners on a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.sessions.owner_cases import OWNER_CASES, OwnerCase
from tests.support.sessions.settling_stage import Stage

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
NUMBERS = count()


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka(settings={"auto.create.topics.enable": "false"}, heap="512m") as kafka:
        yield kafka


@pytest.fixture
async def stage(kafka: RealKafka) -> AsyncIterator[Stage]:
    async def stop() -> None:
        await asyncio.to_thread(kafka.kill)

    async def start() -> None:
        await asyncio.to_thread(kafka.start)

    async def lose(topic: str) -> None:
        raise NotImplementedError(topic)

    stage = Stage(kafka.bootstrap_servers, stop=stop, start=start, lose=lose)
    yield stage
    await stage.close()


@pytest.mark.parametrize("case", OWNER_CASES, ids=lambda case: case.__name__)
async def test_one_owner_sends(case: OwnerCase, stage: Stage, tmp_path: Path) -> None:
    number = next(NUMBERS)
    if not number:
        await stage.create("others")
    await stage.create(f"t{number}")
    await case(stage, f"t{number}", tmp_path / "session")
