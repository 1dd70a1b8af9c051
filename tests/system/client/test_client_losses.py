"""A consumer whose membership ends, or that unsubscribes, while something else is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from minibroker.client import Admin, Consumer, ConsumerRebalanceListener, Producer, TopicPartition
from minibroker.client.cluster.connection import Connection
from minibroker.client.group.member import GroupMember
from minibroker.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from minibroker.testing import TestBroker

from tests.support.in_loop.looking import pause, until

BOUND_S = 10.0
P0 = TopicPartition("t", 0)
RECORDS = 4
ROUND_TRIPS = 8  # a fetch takes two: what is committed, then the records


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as broker:
        broker.create_topic("t")
        broker.create_topic("other")
        async with Producer(broker.bootstrap_servers) as producer:
            await producer.send_many("t", [b"%d" % n for n in range(RECORDS)], partition=0)
        yield broker


class Slow(ConsumerRebalanceListener):
    """Notes what it is told; the first time that partitions are assigned it takes long.

    Args:
        seek_to: where it goes meanwhile.
    """

    def __init__(self, seek_to: int | None = None) -> None:
        self.consumer: Consumer | None = None
        self.seek_to = seek_to
        self.said: list[str] = []
        self.is_reached, self.goes_on = asyncio.Event(), asyncio.Event()

    async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        self.said.append("assigned")
        if self.seek_to is not None and self.consumer is not None:
            for place in assigned:
                self.consumer.seek(place, self.seek_to)
        self.is_reached.set()
        await self.goes_on.wait()

    def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        self.said.append("revoked")

    def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        self.said.append("lost")


def reader(broker: TestBroker, listener: Slow, **more: object) -> Consumer:
    options: dict[str, Any] = {"heartbeat_interval_ms": 50, "session_timeout_ms": 6_000, **more}
    consumer = Consumer(
        bootstrap_servers=broker.bootstrap_servers, group_id="g", auto_offset_reset="earliest",
        **options,
    )  # fmt: skip
    consumer.subscribe(["t"], listener=listener)
    listener.consumer = consumer
    return consumer


async def let_fetch(consumer: Consumer) -> None:
    """Give a fetch that should not be there the time to bring records."""
    for _ in range(ROUND_TRIPS):
        await consumer.end_offsets([P0])


async def until_state(broker: TestBroker, state: str) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        while (await admin.describe_group("g")).state != state:
            await pause()


async def expel(broker: TestBroker) -> None:
    """Make the group forget its member, which hears of it when it next asks."""
    async with Admin(broker.bootstrap_servers) as admin:
        (member,) = (await admin.describe_group("g")).members
    connection = await Connection.open("127.0.0.1", broker.port)
    identity = MemberIdentity(member_id=member.member_id)
    answer = await connection.request(LeaveGroupRequest(group_id="g", members=[identity]))
    assert [each.error_code for each in answer.members] == [0]
    await connection.close()


async def test_a_listener_that_outlasts_the_membership_brings_no_records(
    broker: TestBroker,
) -> None:
    listener = Slow()
    async with reader(broker, listener, max_poll_interval_ms=200) as consumer:
        async with asyncio.timeout(BOUND_S):
            await listener.is_reached.wait()
            await until_state(broker, "Empty")  # the member has left for now
            listener.goes_on.set()
            await let_fetch(consumer)
            first = await consumer.getone()
    assert first.value == b"0"
    assert listener.said[:3] == ["assigned", "lost", "assigned"]


@pytest.mark.parametrize("again", [False, True], ids=["for good", "subscribed again"])
async def test_nothing_is_read_after_unsubscribe_though_the_listener_is_not_done(
    broker: TestBroker, again: bool
) -> None:
    listener = Slow(seek_to=1)
    consumer = reader(broker, listener, auto_commit_interval_ms=60_000)
    async with consumer, asyncio.timeout(BOUND_S):
        await listener.is_reached.wait()
        held = broker.faults.hold("OffsetCommit", at="request")
        consumer.unsubscribe()
        if again:
            consumer.subscribe(["t"], listener=Slow())
        listener.goes_on.set()
        await held.reached()  # giving up: position 1 is committed
        await let_fetch(consumer)
        assert await consumer.getmany() == {}
        held.release()
        await until(lambda: listener.said == ["assigned", "revoked"], BOUND_S)


async def test_what_the_group_has_taken_is_lost_not_revoked_if_only_the_commit_tells(
    broker: TestBroker,
) -> None:
    listener = Slow()
    listener.goes_on.set()
    async with (
        reader(
            broker, listener, heartbeat_interval_ms=5_000, auto_commit_interval_ms=60_000
        ) as consumer,
        asyncio.timeout(BOUND_S),
    ):
        assert (await consumer.getone()).value == b"0"
        await consumer.getmany()
        await expel(broker)
        consumer.subscribe(["t", "other"], listener=listener)  # so that it gives up, and commits
        while len(listener.said) < 3:
            await consumer.getmany(timeout_ms=10)
        assert listener.said == ["assigned", "lost", "assigned"]


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One for each time that a member has looked whether there is something to commit."""
    seen: list[None] = []
    commits = GroupMember._commit_settled

    async def counted(self: GroupMember[Any, Any], places: Any) -> None:
        await commits(self, places)
        seen.append(None)

    monkeypatch.setattr(GroupMember, "_commit_settled", counted)
    return seen


async def pass_by(ticks: list[None], count: int) -> None:
    """Wait for so many."""
    ticks.clear()
    await until(lambda: len(ticks) >= count, BOUND_S)


async def test_a_lost_member_that_has_unsubscribed_commits_nothing(
    broker: TestBroker, ticks: list[None]
) -> None:
    """As nobody it could: the group is empty, and others may have read on and left."""
    listener = Slow(seek_to=3)
    async with (
        Admin(broker.bootstrap_servers) as admin,
        reader(broker, listener, auto_commit_interval_ms=20) as consumer,
        asyncio.timeout(BOUND_S),
    ):
        await listener.is_reached.wait()
        while not await admin.list_group_offsets("g"):
            await pause()  # until it has committed as a member
        await expel(broker)
        await admin.alter_group_offsets("g", {P0: 4})
        member = consumer._member
        assert member is not None
        await until(lambda: not member._membership.beats, BOUND_S)  # a heartbeat has told it
        consumer.unsubscribe()
        member._stored.clear()  # as if it had read on since
        await pass_by(ticks, 2)
        assert (await admin.list_group_offsets("g"))[P0].offset == 4
        listener.goes_on.set()


async def test_automatic_commit_does_not_undo_one_by_hand(
    broker: TestBroker, ticks: list[None]
) -> None:
    listener = Slow()
    listener.goes_on.set()
    async with (
        Admin(broker.bootstrap_servers) as admin,
        reader(broker, listener, auto_commit_interval_ms=20) as consumer,
        asyncio.timeout(BOUND_S),
    ):
        for value in (b"0", b"1"):
            assert (await consumer.getone()).value == value
        await consumer.commit()
        await pass_by(ticks, 3)
        assert (await admin.list_group_offsets("g"))[P0].offset == 2


async def test_partitions_assigned_by_hand_after_unsubscribe_are_read(broker: TestBroker) -> None:
    listener = Slow()
    listener.goes_on.set()
    async with reader(broker, listener) as consumer, asyncio.timeout(BOUND_S):
        assert (await consumer.getone()).value == b"0"
        consumer.unsubscribe()
        consumer.assign([P0])
        assert (await consumer.getone()).value == b"1"


async def test_unsubscribing_is_noticed_though_it_is_subscribed_again_at_once(
    broker: TestBroker,
) -> None:
    before, listener = Slow(), Slow()
    before.goes_on.set()
    listener.goes_on.set()
    async with reader(broker, before) as consumer, asyncio.timeout(BOUND_S):
        assert (await consumer.getone()).value == b"0"
        consumer.unsubscribe()
        consumer.subscribe(["t"], listener=listener)
        assert (await consumer.getone()).value == b"1"
        assert before.said == ["assigned", "revoked"]
        assert listener.said == ["assigned"]
