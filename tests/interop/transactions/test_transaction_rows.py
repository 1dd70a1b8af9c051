"""What is written beside the requests in tests/support/transactions/rows is Apache Kafka's answer.

tests/system/transactions plays the same against ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.transactions.brokers import kafka_peer, wait_for_coordinators
from tests.support.transactions.playing import HOUSES, House, play
from tests.support.transactions.stage import Peer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
SCENARIOS = [(house, name) for house, its in HOUSES.items() for name in its.scenarios]


class Kafkas:
    """One real Kafka at a time, as the house needs it that is asked for."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._house: House | None = None
        self._peer: Peer | None = None

    async def of(self, house: House) -> Peer:
        """The Kafka of a house; the one before is stopped."""
        if self._house is not house or self._peer is None:
            self.stop()
            kafka = RealKafka(settings=house.settings, features=house.features)
            self._peer = kafka_peer(self._running.enter_context(kafka))
            self._house = house
            if not house.is_fresh:
                await wait_for_coordinators(self._peer)
        return self._peer

    def stop(self) -> None:
        """Stop the one that runs."""
        self._peer = None
        self._running.close()


@pytest.fixture(scope="module")
def kafkas() -> Iterator[Kafkas]:
    running = Kafkas()
    yield running
    running.stop()


@pytest.mark.parametrize(("house", "name"), SCENARIOS)
async def test_kafka_answers_as_is_written(kafkas: Kafkas, house: str, name: str) -> None:
    played = await play(HOUSES[house].scenarios[name], name, await kafkas.of(HOUSES[house]))
    assert not played.wrong, "\n".join(played.wrong)
