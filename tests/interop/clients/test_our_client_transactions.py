"""Our consumer and Admin looking at transactions: a real Apache Kafka's, and other clients'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.transactions import producing
from tests.support.transactions.scenarios import (
    SCENARIOS,
    Scenario,
    what_others_commit_is_read,
)

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated"),  # kafka-python
]
needs_kafka = pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    with RealKafka() as kafka:
        yield kafka.bootstrap_servers


@needs_kafka
@pytest.mark.parametrize(
    "scenario",
    [*SCENARIOS, *producing.SCENARIOS, what_others_commit_is_read],
    ids=lambda each: each.__name__,
)
async def test_against_a_real_kafka(scenario: Scenario, bootstrap: str) -> None:
    await scenario(bootstrap)


async def test_what_others_commit_to_our_broker_is_read(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path) as broker:
        await what_others_commit_is_read(broker.bootstrap_servers)


@pytest.fixture(scope="module", params=[1, 0])
def older(request: pytest.FixtureRequest) -> Iterator[str]:
    with RealKafka(features={"transaction.version": request.param}) as kafka:
        yield kafka.bootstrap_servers


@needs_kafka
@pytest.mark.parametrize("scenario", producing.SCENARIOS, ids=lambda each: each.__name__)
async def test_our_producer_against_a_kafka_before_kip_890(scenario: Scenario, older: str) -> None:
    await scenario(older)
