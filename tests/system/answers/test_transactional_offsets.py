"""Offsets in transactions through a whole broker: over kills, power losses and deletions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from minibroker.client import TopicPartition
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.delete_groups import DeleteGroupsRequest
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
from minibroker.testing import TestBroker

from tests.support.in_loop.looking import pause
from tests.support.transactions.raw_producer import RawProducer

WAIT_S = 20.0
GROUP, PLACE = "g", TopicPartition("t", 0)
UNSTABLE = (ErrorCode.UNSTABLE_OFFSET_COMMIT, -1)


@asynccontextmanager
async def broker_with_topic() -> AsyncIterator[TestBroker]:
    async with TestBroker(durability="fsync") as broker:
        broker.create_topic(PLACE.topic)
        yield broker


async def ask(broker: TestBroker, message: Any, version: int) -> Any:
    host, _, port = broker.bootstrap_servers.rpartition(":")
    connection = await Connection.open(host, int(port))
    try:
        return await connection.request(message, version=version)
    finally:
        await connection.close()


async def told(broker: TestBroker) -> tuple[int, int]:
    """Error code and offset of the group's partition, for who requires it to be stable."""
    topics = [OffsetFetchRequestTopic(name=PLACE.topic, partition_indexes=[PLACE.partition])]
    groups = [OffsetFetchRequestGroup(group_id=GROUP, topics=topics)]
    message = OffsetFetchRequest(groups=groups, require_stable=True)
    found = (await ask(broker, message, 9)).groups[0].topics[0].partitions[0]
    return found.error_code, found.committed_offset


async def stable(broker: TestBroker) -> int:
    """The offset, once it is stable."""
    async with asyncio.timeout(WAIT_S):
        while (found := await told(broker)) == UNSTABLE:
            await pause()
    assert found[0] == 0
    return found[1]


async def deleted(broker: TestBroker) -> int:
    answer = await ask(broker, DeleteGroupsRequest(groups_names=[GROUP]), 2)
    code: int = answer.results[0].error_code
    return code


@pytest.mark.parametrize("end", ["kill", "lose_power"])
@pytest.mark.parametrize("commit", [True, False])
async def test_what_is_pending_outlives_the_broker_and_is_decided_by_the_next(
    end: str, commit: bool
) -> None:
    async with broker_with_topic() as broker:
        async with RawProducer(broker.bootstrap_servers, "id") as producer:
            await producer.commit_offset(GROUP, PLACE, 7)
            who = producer.producer_id, producer.producer_epoch
            assert await told(broker) == UNSTABLE
            await getattr(broker, end)()
        await broker.restart()
        assert await told(broker) == UNSTABLE
        message = EndTxnRequest(
            transactional_id="id", producer_id=who[0], producer_epoch=who[1], committed=commit
        )
        assert (await ask(broker, message, 4)).error_code == 0
        assert await stable(broker) == (7 if commit else -1)


@pytest.mark.parametrize("commit", [True, False])
async def test_what_was_decided_is_done_though_the_power_goes_with_the_answer(
    commit: bool,
) -> None:
    async with broker_with_topic() as broker:
        async with RawProducer(broker.bootstrap_servers, "id") as producer:
            await producer.commit_offset(GROUP, PLACE, 7)
            await producer.end(commit=commit)
            await broker.lose_power()
        await broker.restart()
        assert await stable(broker) == (7 if commit else -1)


async def test_a_group_with_pending_offsets_is_deleted_when_they_are_decided() -> None:
    async with (
        broker_with_topic() as broker,
        RawProducer(broker.bootstrap_servers, "id") as producer,
    ):
        await producer.commit_offset(GROUP, PLACE, 7)
        assert await deleted(broker) == ErrorCode.NON_EMPTY_GROUP
        await producer.end(commit=True)
        assert await stable(broker) == 7
        assert await deleted(broker) == 0
        assert await told(broker) == (0, -1)
