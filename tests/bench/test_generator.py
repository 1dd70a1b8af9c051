"""EDGE: the generator stores what it says it has sent, and tells what it was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import generator
from tests.bench.loads import (
    PAGE_CACHE_LOADS,
    PARTITIONS,
    READ_BATCHES,
    READ_RECORDS,
    READ_TOPIC,
    TOPIC,
    Load,
)
from tests.bench.servers import Server, create_topics
from tests.support.processes.broker import ForkedBroker
from tests.support.records.stored import read_records

pytestmark = pytest.mark.skipif(
    generator.missing_go() is not None, reason=str(generator.missing_go())
)
SECONDS = 0.02


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A broker with the topics of the loads."""
    data: Path = tmp_path_factory.mktemp("data")
    with ForkedBroker(data_dir=data, durability="page-cache") as broker:
        found = Server("ours", "127.0.0.1", broker.port, broker.pid)
        asyncio.run(create_topics(found, {TOPIC: PARTITIONS, READ_TOPIC: 1}))
        generator.fill(found)
        yield found


@pytest.mark.parametrize("load", PAGE_CACHE_LOADS, ids=lambda load: load.name)
def test_every_load_is_answered_and_costs_the_broker_something(server: Server, load: Load) -> None:
    found = generator.measure(server, load, SECONDS, warm_up_s=0.0)
    assert found.per_s > 0
    assert found.cpu_us > 0
    assert 0 < found.p50_ms <= found.p99_ms


def test_what_was_filled_is_stored_once(server: Server) -> None:
    expected = READ_BATCHES * READ_RECORDS
    assert len(read_records(server.port, READ_TOPIC)) == expected


def test_a_refusal_is_told(server: Server) -> None:
    with pytest.raises(generator.LoadFailed, match="error 10"):  # MESSAGE_TOO_LARGE
        generator.measure(server, Load("too large", 1, record_bytes=2_000_000), SECONDS)


def test_the_null_server_answers_every_load() -> None:
    with generator.null_server("limit") as null:
        for load in PAGE_CACHE_LOADS:
            assert generator.measure(null, load, SECONDS, warm_up_s=0.0).per_s > 0
