"""What is written beside the requests in tests/support/transactions/rows is Apache Kafka's answer.

tests/system/transactions plays the same against ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.transactions.brokers import kafka_peer, wait_for_coordinators
from tests.support.transactions.playing import HOUSES, play
from tests.support.transactions.stage import Peer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
SCENARIOS = [(house, name) for house, its in HOUSES.items() for name in its.scenarios]


@pytest.fixture(scope="module")
def kafka(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A real Kafka as a house needs it, for all its scenarios."""
    house = HOUSES[request.param]
    with RealKafka(settings=house.settings, features=house.features) as running:
        peer = kafka_peer(running)
        if not house.is_fresh:
            asyncio.run(wait_for_coordinators(peer))
        yield peer


@pytest.mark.parametrize(("kafka", "name"), SCENARIOS, indirect=["kafka"])
async def test_kafka_answers_as_is_written(kafka: Peer, name: str) -> None:
    (scenario,) = [its.scenarios[name] for its in HOUSES.values() if name in its.scenarios]
    played = await play(scenario, name, kafka)
    assert not played.wrong, "\n".join(played.wrong)
