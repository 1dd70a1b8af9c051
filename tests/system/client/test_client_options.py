"""partitioner, consumer_timeout_ms, metrics(): options and calls that other clients have."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from minibroker.client import Consumer, Producer
from minibroker.testing import TestBroker

BOUND_S = 5.0


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as broker:
        broker.create_topic("t", partitions=3)
        yield broker


async def test_a_partitioner_chooses_for_every_record_that_names_no_partition(
    broker: TestBroker,
) -> None:
    asked: list[tuple[bytes | None, list[int], list[int]]] = []

    def choose(key: bytes | None, places: list[int], available: list[int]) -> int:
        asked.append((key, places, available))
        return 2 if key is None else 1

    async with Producer(broker.bootstrap_servers, partitioner=choose) as producer:
        await producer.send("t", b"none")
        await producer.send("t", b"keyed", key=b"k")
        await producer.send("t", b"named", partition=0)
        await producer.send_many("t", [b"many", b"more"])
    assert {each.value: each.partition for each in broker.records("t")} == {
        b"none": 2, b"keyed": 1, b"named": 0, b"many": 2, b"more": 2,
    }  # fmt: skip
    assert asked[:2] == [(None, [0, 1, 2], [0, 1, 2]), (b"k", [0, 1, 2], [0, 1, 2])]
    assert len(asked) == 4


@pytest.mark.parametrize("choice", [3, -1, "1", None, 1.0, True])
async def test_what_a_partitioner_must_not_choose_is_told_in_the_call(
    broker: TestBroker, choice: object
) -> None:
    chooses: Any = lambda *_: choice  # noqa: E731
    async with Producer(broker.bootstrap_servers, partitioner=chooses) as producer:
        with pytest.raises((TypeError, ValueError), match="partitioner"):
            await producer.send("t", b"v")
        await producer.send_and_wait("t", b"v", partition=0)


async def test_iteration_ends_when_no_record_comes_for_consumer_timeout_ms(
    broker: TestBroker,
) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        await producer.send_many("t", [b"%d" % n for n in range(5)], partition=0)
    async with Consumer(
        "t", bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest",
        consumer_timeout_ms=200,
    ) as consumer:  # fmt: skip
        async with asyncio.timeout(BOUND_S):
            read = [each.value async for each in consumer]
            assert read == [b"%d" % n for n in range(5)]
            began = time.monotonic()
            assert [each async for each in consumer] == []
            assert time.monotonic() - began >= 0.2


async def test_metrics_have_kafkas_names_and_count(broker: TestBroker) -> None:
    async with Producer(broker.bootstrap_servers) as producer:
        assert math.isnan(producer.metrics()["batch-size-avg"])
        await producer.send_many("t", [b"v" * 100] * 50, partition=0)
        found = producer.metrics()
        assert found["record-send-total"] == 50
        assert found["record-error-total"] == found["record-retry-total"] == 0
        assert found["records-per-request-avg"] == 50
        assert 50 * 100 < found["batch-size-avg"] == found["batch-size-max"] < 50 * 130
        assert found["buffer-available-bytes"] == found["buffer-total-bytes"] == 33_554_432
        assert found["connection-count"] == 1
        assert 0 < found["request-latency-avg"] <= found["request-latency-max"]
    async with Consumer(
        "t", bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest", group_id="g"
    ) as consumer:
        async with asyncio.timeout(BOUND_S):
            read = 0
            while read < 40:
                read += sum(
                    map(len, (await consumer.getmany(timeout_ms=100, max_records=40)).values())
                )
        await consumer.commit()
        found = consumer.metrics()
        assert found["records-consumed-total"] == 40
        assert found["bytes-consumed-total"] > 40 * 100
        assert found["records-lag-max"] == 10
        assert found["assigned-partitions"] == 3
        assert found["rebalance-total"] == found["commit-total"] == 1
        assert found["fetch-total"] > 0
        assert 0 <= found["last-poll-seconds-ago"] < BOUND_S


async def test_retries_are_counted(broker: TestBroker) -> None:
    broker.faults.error("Produce", "NOT_LEADER_OR_FOLLOWER", at="append", topic="t", times=1)
    async with Producer(broker.bootstrap_servers, retry_backoff_ms=1) as producer:
        await producer.send_and_wait("t", b"v", partition=0)
        found = producer.metrics()
    assert (found["record-send-total"], found["record-retry-total"]) == (2, 1)
