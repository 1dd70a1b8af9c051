"""EDGE: members of groups are told by our broker what Apache Kafka tells them, word for word."""

from collections.abc import AsyncIterator

import pytest
from minibroker.broker.runtime import Runtime

from tests.support.groups.group_scenarios import SCENARIOS, TRANSCRIPTS, play, written
from tests.support.groups.group_stage import SETTINGS, prepare
from tests.support.in_loop.runtime import running_broker


@pytest.fixture
async def broker() -> AsyncIterator[Runtime]:
    async with running_broker(settings=SETTINGS) as runtime:
        await prepare("127.0.0.1", runtime.bound[0].port)
        yield runtime


@pytest.mark.parametrize("name", SCENARIOS)
async def test_members_hear_what_kafka_tells_them(broker: Runtime, name: str) -> None:
    assert await play(name, "127.0.0.1", broker.bound[0].port) == written(name)


def test_every_transcript_is_played() -> None:
    assert {path.stem for path in TRANSCRIPTS.glob("*.txt")} == set(SCENARIOS)
