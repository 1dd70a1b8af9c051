"""Every case of settlement on a real Kafka: its brokers know nothing of sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.sessions.session_cases import SESSION_CASES, SessionCase
from tests.support.sessions.settling_cases import CASES, KAFKAS, Case
from tests.support.sessions.settling_stage import Stage, cut

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
NUMBERS = count()
SETTINGS = {
    "producer.id.expiration.check.interval.ms": "100",
    "auto.create.topics.enable": "false",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
    "log.cleaner.backoff.ms": "300",
}


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka(settings=SETTINGS, heap="512m") as kafka:
        yield kafka


@pytest.fixture
async def stage(kafka: RealKafka) -> AsyncIterator[Stage]:
    async def stop() -> None:
        await asyncio.to_thread(kafka.kill)

    async def start() -> None:
        await asyncio.to_thread(kafka.start)

    async def lose(topic: str) -> None:
        await stop()
        cut(kafka.data_dir() / f"{topic}-0")
        await start()

    stage = Stage(kafka.bootstrap_servers, stop=stop, start=start, lose=lose)
    yield stage
    await stage.close()


@pytest.fixture
async def topic(stage: Stage) -> str:
    number = next(NUMBERS)
    if not number:
        for each in ("canary", "others"):
            await stage.create(each)
    name = f"t{number}"
    await stage.create(name)
    return name


@pytest.mark.parametrize("case", [*CASES, *KAFKAS], ids=lambda case: case.__name__)
async def test_the_named_outcome_and_nothing_twice_or_lost(
    case: Case, stage: Stage, topic: str
) -> None:
    await case(stage, topic)


@pytest.mark.parametrize("case", SESSION_CASES, ids=lambda case: case.__name__)
async def test_a_producer_goes_on(
    case: SessionCase, stage: Stage, topic: str, tmp_path: Path
) -> None:
    await case(stage, topic, tmp_path / "session")
