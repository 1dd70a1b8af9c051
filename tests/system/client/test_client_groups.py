"""Consumers of ours in groups, and Admin, against our broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from minibroker.client import Consumer, TopicPartition

from tests.support.groups.member_scenarios import (
    POLL_MS,
    SCENARIOS,
    WAIT_S,
    Scenario,
    fill,
    member,
    read,
    topic_with,
)
from tests.support.in_loop.runtime import running_broker
from tests.support.processes.broker import ForkedBroker


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_against_our_broker(scenario: Scenario) -> None:
    async with running_broker() as runtime:
        await scenario(f"127.0.0.1:{runtime.bound[0].port}")


async def test_members_go_on_after_kill_9_of_the_broker(tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path, durability="page-cache") as broker:
        topic = await topic_with(broker.bootstrap_servers, 2, 4)
        async with (
            member(broker.bootstrap_servers, topic) as one,
            member(broker.bootstrap_servers, topic) as two,
        ):
            both = (one, two)
            await until_shared(*both)
            await asyncio.gather(*(each.commit() for each in both))
            ends = {place: end for each in both for place, end in (await positions(each)).items()}
            broker.kill()
            await asyncio.to_thread(broker.start)
            await fill(broker.bootstrap_servers, topic, 2, range(4, 8))
            numbers = await asyncio.gather(*(read(each, 2) for each in both))
            assert sorted(numbers[0] + numbers[1]) == [4, 5, 6, 7]
            for place, end in ends.items():
                found = await one.committed(place)
                assert found is not None
                assert found.offset >= end


async def positions(consumer: Consumer) -> dict[TopicPartition, int]:
    return {place: await consumer.position(place) for place in consumer.assignment()}


async def until_shared(one: Consumer, two: Consumer) -> None:
    """Read everything there is until each of two members has one of two partitions, at its end."""
    async with asyncio.timeout(WAIT_S):
        while True:
            for each in (one, two):
                await each.getmany(timeout_ms=POLL_MS)
            if len(one.assignment()) == len(two.assignment()) == 1:
                lags = {**await one.lag(), **await two.lag()}
                if len(lags) == 2 and not any(lags.values()):
                    return
