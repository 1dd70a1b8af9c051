"""One member through whatever an application and a group can do to it, by seed.

What must hold, however things fall: a listener hears of every partition in turn that it has it and
has it no more; no record is handed out of a partition that the listener does not have; nothing is
committed beyond what was handed out; and in the end everything that was not committed is read.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from minibroker.client import (
    Admin,
    ClientError,
    Consumer,
    ConsumerRebalanceListener,
    Producer,
    TopicPartition,
)
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from minibroker.testing import TestBroker

BOUND_S = 10.0
STEPS = 40
SEEDS = (3, 6, 7, 9, 19, 22, 23, 32, 43, 57)  # each of which has found a bug of ours
RECORDS = 200  # of each partition
PLACES = [TopicPartition("t", 0), TopicPartition("t", 1)]
SETTINGS = {"group.min.session.timeout.ms": "100", "group.initial.rebalance.delay.ms": "0"}


class Hears(ConsumerRebalanceListener):
    """Keeps what it has been given, and complains of what makes no sense."""

    def __init__(self, world: MemberWorld) -> None:
        self.world = world
        self.has: set[TopicPartition] = set()

    async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        assert not self.has & assigned, f"{assigned} are there already"
        self.has |= assigned
        for _ in range(self.world.random.choice((0, 0, 1, 5, 30))):
            await asyncio.sleep(0.005)

    async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self.drop(revoked)
        if self.world.random.random() < 0.5:
            with suppress(ClientError):
                await self.world.consumer.commit()

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self.drop(lost)

    def drop(self, places: frozenset[TopicPartition]) -> None:
        assert places <= self.has, f"{places} were never there"
        self.has -= places


class MemberWorld:
    """One seed."""

    def __init__(self, broker: TestBroker, seed: int) -> None:
        self.broker = broker
        self.random = Random(seed)
        self.listener: Hears | None = None
        self.handed_out: dict[TopicPartition, int] = dict.fromkeys(PLACES, 0)
        self.others: list[Consumer] = []
        self.trace: list[str] = []
        self.consumer = self.member(
            partition_assignment_strategy=self.random.choice(
                (["range"], ["cooperative-sticky"], ["range", "cooperative-sticky"])
            ),
            max_poll_interval_ms=self.random.choice((60, 60_000)),
        )

    def member(self, **more: Any) -> Consumer:
        return Consumer(
            bootstrap_servers=self.broker.bootstrap_servers, group_id="g",
            auto_offset_reset="earliest", session_timeout_ms=1_000, heartbeat_interval_ms=10,
            auto_commit_interval_ms=15, retry_backoff_ms=5, **more,
        )  # fmt: skip

    async def run(self) -> None:
        async with self.consumer:
            for _ in range(STEPS):
                steps = [
                    *(self.read,) * 5,
                    *(self.subscribe, self.unsubscribe, self.by_hand, self.commit, self.expelled),
                    *(self.another_comes, self.another_goes, self.idle),
                ]
                step = self.random.choice(steps)
                self.trace.append(step.__name__)
                async with asyncio.timeout(BOUND_S):
                    await step()
            async with asyncio.timeout(BOUND_S):
                await self.settle()

    async def read(self) -> bool:
        """Some records, of partitions that the listener has; whether there were any."""
        count_max = self.random.choice((1, 3, 50))
        taken = await self.consumer.getmany(
            timeout_ms=self.random.choice((0, 5, 20)), max_records=count_max
        )
        if self.listener is not None:
            assert taken.keys() <= self.listener.has, (taken.keys(), self.listener.has)
        for place, records in taken.items():
            self.handed_out[place] = max(self.handed_out[place], records[-1].offset + 1)
        return bool(taken)

    async def subscribe(self) -> None:
        """To the same topic, or one more; with another listener."""
        if not self.consumer._subscription.is_manual:
            self.listener = self.listener or Hears(self)
            topics = self.random.choice((["t"], ["t", "other"]))
            self.consumer.subscribe(topics, listener=self.listener)

    async def unsubscribe(self) -> None:
        self.consumer.unsubscribe()
        self.listener = None
        if self.random.random() < 0.5:
            await self.subscribe()

    async def by_hand(self) -> None:
        """Partitions of its own choice for a while."""
        self.consumer.unsubscribe()
        self.listener = None
        places = self.random.sample(PLACES, self.random.choice((1, 2)))
        self.consumer.assign(places)
        while not await self.read():
            if {await self.consumer.position(place) for place in places} == {RECORDS}:
                break

    async def commit(self) -> None:
        with suppress(ClientError):
            await self.consumer.commit(timeout_ms=200)

    async def expelled(self) -> None:
        """The group forgets the member, which does not know."""
        async with Admin(self.broker.bootstrap_servers) as admin:
            members = (await admin.describe_group("g")).members
        connection = await Connection.open("127.0.0.1", self.broker.port)
        leaving = [MemberIdentity(member_id=each.member_id) for each in members]
        await connection.request(LeaveGroupRequest(group_id="g", members=leaving[:1]))
        await connection.close()

    async def another_comes(self) -> None:
        if len(self.others) < 2:
            another = self.member(enable_auto_commit=False)
            another.subscribe(["t"])
            await another.start()
            self.others.append(another)

    async def another_goes(self) -> None:
        if self.others:
            await self.others.pop().stop()

    async def idle(self) -> None:
        """Busy with something else, sometimes longer than max_poll_interval_ms."""
        await asyncio.sleep(self.random.choice((0.001, 0.02, 0.09)))

    async def settle(self) -> None:
        """Alone and subscribed: what was not committed is read, to the end."""
        while self.others:
            await self.others.pop().stop()
        self.consumer.unsubscribe()
        self.listener = Hears(self)
        self.consumer.subscribe(["t"], listener=self.listener)
        ends: dict[TopicPartition, int] = dict.fromkeys(PLACES, 0)
        async with Admin(self.broker.bootstrap_servers) as admin:
            committed = await admin.list_group_offsets("g")
        for place, found in committed.items():
            assert found.offset <= self.handed_out.get(place, 0), "committed, never handed out"
        while any(ends[place] < RECORDS for place in PLACES):
            for place, records in (await self.consumer.getmany(timeout_ms=50)).items():
                assert place in self.listener.has
                ends[place] = records[-1].offset + 1
            for place in PLACES:
                if place in self.listener.has and place in self.consumer.assignment():
                    ends[place] = max(ends[place], await self.consumer.position(place))


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_member_keeps_its_promises(seed: int) -> None:
    async with TestBroker(settings=SETTINGS) as broker:
        broker.create_topic("t", 2)
        broker.create_topic("other")
        async with Producer(broker.bootstrap_servers) as producer:
            for place in PLACES:
                values = [b"%d" % n for n in range(RECORDS)]
                await producer.send_many("t", values, partition=place.partition)
        world = MemberWorld(broker, seed)
        try:
            await world.run()
        except BaseException as error:
            error.add_note(f"seed {seed}: {' '.join(world.trace)}")
            raise
