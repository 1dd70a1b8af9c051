"""Three real Kafka nodes: the leader dies while a settler asks it, or its followers lag behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from minibroker.client.session.settler import Settler

from tests.support.processes.kafka import RealKafka, missing_tools
from tests.support.sessions.settling_cases import check_stored
from tests.support.sessions.settling_stage import Stage

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
NODES = (1, 2, 3)
SETTINGS = {
    "auto.create.topics.enable": "false",
    "min.insync.replicas": "2",
    "replica.lag.time.max.ms": "5000",
    "controller.quorum.election.timeout.ms": "5000",  # three Javas share one machine
    "controller.quorum.fetch.timeout.ms": "10000",
}


@pytest.fixture(scope="module")
def kafka() -> Iterator[RealKafka]:
    with RealKafka(nodes=len(NODES), settings=SETTINGS, heap="400m") as kafka:
        yield kafka


@pytest.fixture
async def stage(kafka: RealKafka) -> AsyncIterator[Stage]:
    async def not_here(*_: object) -> None:
        raise AssertionError("nodes are ended one by one here")

    servers = kafka.bootstrap_servers
    stage = Stage(servers, stop=not_here, start=not_here, lose=not_here)
    stage.replicas = len(NODES)
    yield stage
    await stage.close()


async def test_the_leader_dies_while_it_is_asked(kafka: RealKafka, stage: Stage) -> None:
    await stage.create("dies")
    dead = await stage.dead("dies", [1, 2, 1, 1], confirmed=1)
    for batch in dead.batches[:2]:
        await stage.send(batch)
    leader = await stage.go_to_leader("dies")
    other = next(node for node in NODES if node != leader)

    async def kill(settler: Settler) -> None:
        await asyncio.to_thread(kafka.kill, leader)

    stage.at = kafka.bootstrap_servers.split(",")[other - 1]
    outcomes = await stage.settle(dead, while_it_runs=kill)
    await stage.go_to_leader("dies", but_not=leader)
    await check_stored(stage, dead, outcomes, 1)
    await asyncio.to_thread(kafka.start, leader)


async def test_a_follower_lags_behind(kafka: RealKafka, stage: Stage) -> None:
    """A batch that a follower in sync does not have is in the log, and is waited for."""
    await stage.create("lags")
    dead = await stage.dead("lags", [1, 1], confirmed=1)
    leader = await stage.go_to_leader("lags")
    follower = kafka.pid(next(node for node in NODES if node != leader))
    os.kill(follower, signal.SIGSTOP)
    try:
        late = asyncio.ensure_future(stage.send(dead.batches[0]))  # acks=all: no answer now
        await stage.until(lambda: has_unseen(stage))

        async def go_on(settler: Settler) -> None:
            os.kill(follower, signal.SIGCONT)

        outcomes = await stage.settle(dead, while_it_runs=go_on)
    finally:
        os.kill(follower, signal.SIGCONT)
    await late
    await check_stored(stage, dead, outcomes, 1)


async def has_unseen(stage: Stage) -> bool:
    return await stage.unseen("lags") > 0
