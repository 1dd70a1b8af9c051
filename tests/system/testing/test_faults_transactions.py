"""Faults in the ending of a transaction: held, late, or the last thing that the broker does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.faults.rules import Crash, Instant, Rule
from minibroker.client.cluster.connection import Connection, ConnectionFailed
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.describe_transactions import DescribeTransactionsRequest
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing import TestBroker

from tests.support.in_loop.looking import pause

WAIT_S = 5.0
ID = "orders"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[TestBroker]:
    async with TestBroker(data_dir=tmp_path / "data", durability="fsync") as made:
        made.create_topic("t", 2)
        yield made


@pytest.fixture
async def client(broker: TestBroker) -> AsyncIterator[Connection]:
    connection = await Connection.open("127.0.0.1", broker.port, client_id="test")
    yield connection
    await connection.close()


async def ask(client: Connection, message: Any, version: int | None = None) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await client.request(message, version=version)


async def written(client: Connection) -> tuple[int, int]:
    """A transaction with a record in both partitions: its producer id and epoch."""
    init = InitProducerIdRequest(transactional_id=ID, transaction_timeout_ms=60_000)
    producer = await ask(client, init, version=5)
    batch = build_batch(
        [(None, b"v", (), 1_700_000_000_000)],
        attributes=TRANSACTIONAL_BIT,
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        base_sequence=0,
    )
    data = [PartitionProduceData(index=index, records=batch) for index in (0, 1)]
    request = ProduceRequest(
        transactional_id=ID,
        acks=-1,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name="t", partition_data=data)],
    )
    response = await ask(client, request, version=12)
    assert [e.error_code for e in response.responses[0].partition_responses] == [0, 0]
    return producer.producer_id, producer.producer_epoch


def ending(producer: tuple[int, int]) -> EndTxnRequest:
    return EndTxnRequest(
        transactional_id=ID, producer_id=producer[0], producer_epoch=producer[1], committed=True
    )


async def state(broker: TestBroker) -> str:
    other = await Connection.open("127.0.0.1", broker.port, client_id="other")
    answer = await ask(other, DescribeTransactionsRequest(transactional_ids=[ID]))
    await other.close()
    found: str = answer.transaction_states[0].transaction_state
    return found


def marked(broker: TestBroker) -> list[int]:
    """The number of markers in each partition, durable or not."""
    partitions = (broker.runtime.broker.partition("t", index) for index in (0, 1))
    return [each.log.log_end_offset - 1 for each in partitions if each is not None]


@pytest.mark.parametrize(("at", "markers"), [("txn.prepared", [0, 0]), ("txn.marker", [0, 1])])
async def test_an_ending_is_held_where_the_rule_says(
    broker: TestBroker, client: Connection, at: Any, markers: list[int]
) -> None:
    held = broker.faults.hold(at=at)
    asked = asyncio.create_task(ask(client, ending(await written(client)), version=5))
    await held.reached()
    assert await state(broker) == "PrepareCommit"
    assert marked(broker) == markers
    assert not asked.done()
    held.release()
    answer = await asked
    assert answer.error_code == 0
    assert marked(broker) == [1, 1]


async def test_the_marker_of_one_partition_is_held_and_the_other_is_written(
    broker: TestBroker, client: Connection
) -> None:
    held = broker.faults.hold(at="txn.marker", topic="t", partition=1)
    asked = asyncio.create_task(ask(client, ending(await written(client)), version=5))
    await held.reached()
    assert marked(broker) == [1, 0]
    held.release()
    assert (await asked).error_code == 0


async def test_an_ending_is_held_when_it_is_complete_and_its_id_is_not_served(
    broker: TestBroker, client: Connection
) -> None:
    held = broker.faults.hold(at="txn.completed")
    pid, epoch = await written(client)
    assert (await ask(client, ending((pid, epoch)), version=5)).error_code == 0
    await held.reached()
    init = InitProducerIdRequest(transactional_id=ID, transaction_timeout_ms=60_000)
    assert (await ask(client, init, version=5)).error_code == 51
    held.release()
    async with asyncio.timeout(WAIT_S):
        while (answer := await ask(client, init, version=5)).error_code == 51:
            await pause()
    assert (answer.error_code, answer.producer_id) == (0, pid)


async def test_an_ending_is_late(broker: TestBroker, client: Connection) -> None:
    late = broker.faults.delay(at="txn.prepared", delay_ms=30)
    began = asyncio.get_running_loop().time()
    assert (await ask(client, ending(await written(client)), version=5)).error_code == 0
    assert asyncio.get_running_loop().time() - began >= 0.03
    assert late.fired == 1


@pytest.mark.parametrize("at", ["txn.prepared", "txn.marker", "txn.completed"])
async def test_a_broker_dies_in_the_ending_and_the_next_start_finishes_it(
    broker: TestBroker, client: Connection, at: Any
) -> None:
    broker.faults.crash(at=at)
    producer = await written(client)
    asked = asyncio.create_task(ask(client, ending(producer), version=5))
    await broker.ended()
    if at == "txn.completed":
        assert (await asked).error_code == 0
    else:
        with pytest.raises(ConnectionFailed):
            await asked
    broker.faults.clear()
    await broker.start()
    async with asyncio.timeout(WAIT_S):
        while await state(broker) != "CompleteCommit":
            await pause()
    assert marked(broker) == [1, 1]


@pytest.mark.parametrize(
    ("scope", "complaint"),
    [
        ({"api": "EndTxn"}, "no request"),
        ({"client_id": "c"}, "no request"),
        ({"connection": 1}, "no"),
    ],
)
def test_what_no_ending_has_cannot_be_asked_for(scope: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Rule(action=Crash(), at=Instant.TXN_MARKER, **scope)
