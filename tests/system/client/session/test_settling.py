"""Every case of settlement on a broker of ours; interop has the same on a real Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from minibroker.client import DeliveryTimeout, Producer
from minibroker.protocol.messages.describe_producers import DESCRIBE_PRODUCERS
from minibroker.testing import TestBroker

from tests.support.sessions.session_cases import SESSION_CASES, SessionCase, journaled
from tests.support.sessions.settling_cases import CASES, Case, check_stored
from tests.support.sessions.settling_stage import Stage, cut

SETTINGS = {
    "producer.id.expiration.check.interval.ms": "20",
    "auto.create.topics.enable": "false",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[TestBroker]:
    data_dir = tmp_path / "data"
    async with TestBroker(data_dir=data_dir, durability="page-cache", settings=SETTINGS) as broker:
        yield broker


@pytest.fixture
async def stage(broker: TestBroker, tmp_path: Path) -> AsyncIterator[Stage]:
    async def lose(topic: str) -> None:
        await broker.kill()
        cut(tmp_path / "data" / f"{topic}-0")
        await broker.start()

    stage = Stage(broker.bootstrap_servers, stop=broker.kill, start=broker.start, lose=lose)
    yield stage
    await stage.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_the_named_outcome_and_nothing_twice_or_lost(case: Case, stage: Stage) -> None:
    await stage.create("canary")
    await stage.create("t")
    await case(stage, "t")


@pytest.mark.parametrize("case", SESSION_CASES, ids=lambda case: case.__name__)
async def test_a_producer_goes_on(case: SessionCase, stage: Stage, tmp_path: Path) -> None:
    for topic in ("canary", "others", "t"):
        await stage.create(topic)
    await case(stage, "t", tmp_path / "session")


async def test_where_a_broker_lists_nobody_the_log_decides(stage: Stage) -> None:
    await stage.create("t")
    dead = await stage.dead("t", [1, 2, 1], confirmed=1)
    await stage.send(dead.batches[0])
    async with stage.settler() as settler:
        connection = await settler._looking._cluster.connection_to(1, 1_000)
        del connection.versions[DESCRIBE_PRODUCERS.key]  # as before KIP-664
        assert await settler.find_stale([dead.floor], 60_000) == []
        outcomes = await settler.settle(dead.batches, {dead.floor.producer_id: dead.floor})
    await check_stored(stage, dead, outcomes, 1)


async def test_what_waits_behind_is_told_why(
    broker: TestBroker, stage: Stage, tmp_path: Path
) -> None:
    await stage.create("t")
    dead = await stage.dead("t", [1])
    await journaled(tmp_path / "session", dead)
    broker.faults.error("ListOffsets", "LEADER_NOT_AVAILABLE")
    async with Producer(
        stage.servers,
        session=str(tmp_path / "session"),
        delivery_timeout_ms=2_000,
        request_timeout_ms=1_000,
        linger_ms=0,
    ) as producer:
        behind = await producer.send("t", b"behind", partition=0)
        with pytest.raises(DeliveryTimeout, match=r"t-0: LEADER_NOT_AVAILABLE"):
            await behind
        assert producer.session.unsettled == ()  # it is pending, which is another thing
        broker.faults.clear()
        await stage.until(lambda: holds(stage, [*dead.values, b"behind"]))


async def holds(stage: Stage, values: list[bytes]) -> bool:
    return await stage.values("t") == values
