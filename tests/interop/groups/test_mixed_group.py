"""One group of kafka-python, aiokafka, confluent-kafka, kafkajs, Java and ours, killed at random.

Every record is handed to somebody, and committed offsets never go back. SECONDS=180 says how long
members are killed for each assignor, SEED=1 in which order; KAFKA=1 asks a real Apache Kafka.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.groups.mixed_group import MixedGroup, runnables
from tests.interop.matrix.environments import EnvironmentMissing
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = pytest.mark.interop
SECONDS = float(os.environ.get("SECONDS", "180"))
SEED = int(os.environ.get("SEED", "1"))
GROUPS = {  # who knows which assignor; kafkajs has none but its own round robin
    "range": ["kafka-python", "aiokafka", "confluent", "java", "ours"],
    "roundrobin": ["kafka-python", "aiokafka", "confluent", "kafkajs", "java", "ours"],
    "cooperative-sticky": ["confluent", "java", "ours"],
}


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    if os.environ.get("KAFKA"):
        if (reason := missing_tools()) is not None:
            pytest.skip(reason)
        with RealKafka() as kafka:
            yield kafka.bootstrap_servers
    else:
        with BrokerProcess(data_dir=tmp_path / "data", durability="page-cache") as broker:
            yield broker.bootstrap_servers


@pytest.mark.parametrize("assignor", GROUPS)
async def test_members_killed_at_random_lose_nothing(
    assignor: str, bootstrap: str, tmp_path: Path
) -> None:
    try:
        programs = runnables(GROUPS[assignor])
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "members"
    folder.mkdir()
    group = MixedGroup(bootstrap, programs, assignor, seed=SEED, folder=folder)
    outcome = await group.run(SECONDS)
    print(outcome.summary(assignor, SEED))
    assert outcome.missing == 0, group.said()
    assert not outcome.went_back
    assert outcome.lag == 0, group.said()
    assert set(outcome.by_client) == set(GROUPS[assignor])
    silent = [name for name, count in outcome.by_client.items() if not count]
    assert not silent or SECONDS < 60, f"{silent} were never handed a record\n{group.said()}"
