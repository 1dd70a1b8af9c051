"""process() on a real Kafka of one node, and of three that are killed: every output exactly once.

One run each; `make process-kafka` does many (tests/crash/processing/on_kafka.py).
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.crash.processing.node_deaths import node_deaths
from tests.crash.processing.on_kafka import one_run, real_kafka
from tests.support.processes.kafka import missing_tools


@pytest.mark.interop
@pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))
@pytest.mark.parametrize("nodes", [1, 3])
async def test_four_workers_are_killed(nodes: int, tmp_path: Path) -> None:
    with real_kafka(nodes) as kafka:
        async with node_deaths(kafka, Random(1)) as deaths:
            assert await one_run(kafka, nodes, 1, tmp_path, deaths) == []
