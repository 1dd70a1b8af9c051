"""Transactions in `records()` of both brokers, and `assert_atomic`, beside what consumers read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from minibroker.client import Consumer, Producer
from minibroker.testing import ChildBroker, TestBroker

Broker = TestBroker | ChildBroker


@pytest.fixture(params=["in process", "child"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    made: Broker = (
        TestBroker(durability="fsync") if request.param == "in process" else ChildBroker()
    )
    async with made:
        made.create_topic("orders", 2)
        made.create_topic("payments")
        yield made


async def read(broker: Broker, topic: str) -> list[bytes | None]:
    """By a consumer, up to where it is given nothing more."""
    async with Consumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        consumer_timeout_ms=300,
    ) as consumer:
        return [record.value async for record in consumer]


async def test_what_became_of_each_transaction_is_told(broker: Broker) -> None:
    servers = broker.bootstrap_servers
    async with (
        Producer(servers, transactional_id="shop") as producer,
        Producer(servers, transactional_id="other") as other,
    ):
        async with producer.transaction() as tx:
            await tx.send("orders", b"a", partition=0)
            await tx.send("orders", b"b", partition=1)
            await tx.send("payments", b"1")
        # At once: the markers may still wait for their flush.
        broker.assert_atomic({"orders": [b"a", b"b"], "payments": [b"1"]})
        broker.assert_stored_once("orders", [b"a", b"b"], isolation_level="read_committed")
        given_up = producer.transaction()
        await given_up.begin()
        await given_up.send_and_wait("orders", b"c", partition=0)
        await given_up.abort()
        still_open = other.transaction()
        await still_open.begin()
        await still_open.send_and_wait("orders", b"d", partition=0)
        async with Producer(servers) as plain:
            await plain.send_and_wait("orders", b"e", partition=0)
        records = broker.records("orders")
        assert [(each.value, each.transaction) for each in records] == [
            (b"a", "committed"),
            (b"c", "aborted"),
            (b"d", "open"),
            (b"e", None),
            (b"b", "committed"),
        ]
        seen = [each.value for each in broker.records("orders", isolation_level="read_committed")]
        assert seen == [b"a", b"b"]
        assert sorted(await read(broker, "orders"), key=repr) == seen
        broker.assert_atomic({"orders": [b"a", b"b"]}, {"orders": [b"c"]}, {"orders": [b"d"]})
        with pytest.raises(AssertionError, match=r"orders b'c': aborted at 0@2"):
            broker.assert_atomic({"orders": [b"b", b"c"]})
        await still_open.commit()
    broker.assert_stored_once("orders", [b"a", b"b", b"d", b"e"], isolation_level="read_committed")


async def test_a_topic_that_is_not_there_is_told(broker: Broker) -> None:
    with pytest.raises(LookupError, match="there is no topic 'order'"):
        broker.assert_atomic({"order": [b"a"]})
