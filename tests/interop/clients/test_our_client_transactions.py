"""Our consumer and Admin looking at transactions, against a real Apache Kafka."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.transactions.scenarios import SCENARIOS, Scenario

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    with RealKafka() as kafka:
        yield kafka.bootstrap_servers


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_against_a_real_kafka(scenario: Scenario, bootstrap: str) -> None:
    await scenario(bootstrap)
