"""EDGE: what people see of transactions, played against whichever broker: ours, or a real Kafka.

Each scenario takes the bootstrap servers of one node and makes topics and transactional ids of its
own. Waits are for what is awaited, bounded by WAIT_S.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from minibroker.broker.faults.rules import Disconnect, LoseReply, Rule
from minibroker.client import (
    Admin,
    ConfigResource,
    Consumer,
    ErrorCode,
    Fatal,
    Producer,
    TopicPartition,
)
from minibroker.testing.proxy import Proxy

from tests.support.transactions.foreign_producers import FOREIGN, committed
from tests.support.transactions.raw_producer import RawProducer

WAIT_S = 30.0
POLL_MS = 100
Scenario = Callable[[str], Awaitable[None]]
VERIFICATION = "transaction.partition.verification.enable"


async def new_place(bootstrap: str) -> TopicPartition:
    """The only partition of a new topic."""
    topic = f"t-{uuid4().hex[:8]}"
    async with Admin(bootstrap) as admin:
        await admin.create_topic(topic, num_partitions=1)
    return TopicPartition(topic, 0)


@asynccontextmanager
async def producer(bootstrap: str, name: str = "p") -> AsyncIterator[RawProducer]:
    """A transactional producer with an id of its own."""
    async with RawProducer(bootstrap, f"{name}-{uuid4().hex[:8]}") as made:
        yield made


@asynccontextmanager
async def reader(
    bootstrap: str, place: TopicPartition, isolation_level: str
) -> AsyncIterator[Consumer]:
    """A consumer that reads a partition from its beginning."""
    consumer = Consumer(
        bootstrap_servers=bootstrap,
        isolation_level=isolation_level,  # type: ignore[arg-type]
        auto_offset_reset="earliest",
        fetch_max_wait_ms=POLL_MS,
    )
    async with consumer:
        consumer.assign([place])
        yield consumer


async def values(consumer: Consumer, place: TopicPartition, end: int) -> list[bytes | None]:
    """What is handed out until the position is `end`."""
    seen: list[bytes | None] = []
    async with asyncio.timeout(WAIT_S):
        while await consumer.position(place) < end:
            taken = await consumer.getmany(timeout_ms=POLL_MS)
            seen += [record.value for records in taken.values() for record in records]
    return seen


async def end_of(consumer: Consumer, place: TopicPartition, awaited: int) -> int:
    """Where a partition ends for this consumer, once that is at `awaited` or behind it."""
    async with asyncio.timeout(WAIT_S):
        while True:
            end = (await consumer.end_offsets([place]))[place]
            if end >= awaited:
                return end


async def committed_only(bootstrap: str) -> None:
    """Two transactions interleave, one is aborted; a third stays open until it is committed."""
    place = await new_place(bootstrap)
    async with (
        producer(bootstrap) as good,
        producer(bootstrap) as bad,
        producer(bootstrap) as slow,
        reader(bootstrap, place, "read_committed") as committed,
        reader(bootstrap, place, "read_uncommitted") as uncommitted,
    ):
        await good.write(place, b"g0", b"g1")  # 0, 1
        await bad.write(place, b"b2")
        await good.write(place, b"g3")
        await bad.end(commit=False)  # a marker at 4
        await good.end(commit=True)  # at 5
        assert await end_of(committed, place, 6) == 6
        async with Producer(bootstrap) as plain:
            await plain.send_and_wait(place.topic, b"p6", partition=0)
        assert await slow.write(place, b"s7") == 7
        await bad.write(place, b"b8")
        await bad.end(commit=False)  # at 9
        assert await end_of(uncommitted, place, 10) == 10
        assert await end_of(committed, place, 7) == 7
        assert await values(committed, place, 7) == [b"g0", b"g1", b"g3", b"p6"]
        assert await values(uncommitted, place, 10) == [
            *(b"g0", b"g1", b"b2", b"g3", b"p6", b"s7", b"b8"),
        ]
        assert (await committed.lag(place), await uncommitted.lag(place)) == (
            {place: 0},
            {place: 0},
        )
        waiting = asyncio.create_task(committed.getone())
        await slow.end(commit=True)  # at 10
        assert (await asyncio.wait_for(waiting, WAIT_S)).value == b"s7"
        assert await values(committed, place, 11) == []
        assert (await committed.end_offsets([place]))[place] == 11


async def latest_is_the_last_stable_offset(bootstrap: str) -> None:
    """Who begins at the end begins before an open transaction, and so sees all of it."""
    place = await new_place(bootstrap)
    async with producer(bootstrap) as writer:
        await writer.write(place, b"old")
        await writer.end(commit=True)
        await writer.write(place, b"new")  # at 2
        consumer = Consumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
        async with consumer:
            consumer.assign([place])
            assert await consumer.position(place) == 2
            await writer.end(commit=True)
            assert (await asyncio.wait_for(consumer.getone(), WAIT_S)).value == b"new"


async def what_coordinators_and_partitions_tell(bootstrap: str) -> None:
    """List and describe: an id that is new, one with an open transaction, one whose is over."""
    place, group = await new_place(bootstrap), f"g-{uuid4().hex[:8]}"
    async with (
        producer(bootstrap, "new") as new,
        producer(bootstrap, "open") as open_,
        producer(bootstrap, "over") as over,
        Admin(bootstrap) as admin,
    ):
        before_ms = time.time() * 1000
        await open_.write(place, b"x")
        await open_.commit_offset(group, place, 1)
        await over.write(place, b"y")
        await over.end(commit=False)
        names = [each.transactional_id for each in (new, open_, over)]
        described = await admin.describe_transactions(names)
        async with asyncio.timeout(WAIT_S):
            while described[names[2]].state == "PrepareAbort":
                described = await admin.describe_transactions(names)
        assert [described[name].state for name in names] == ["Empty", "Ongoing", "CompleteAbort"]
        assert described[names[0]].start_time_ms == -1
        ongoing = described[names[1]]
        assert (ongoing.producer_id, ongoing.producer_epoch) == (open_.producer_id, 0)
        assert (ongoing.timeout_ms, ongoing.coordinator) == (60_000, 1)
        assert abs(ongoing.start_time_ms - before_ms) < WAIT_S * 1000
        assert place in ongoing.partitions
        assert {topic for topic, _ in ongoing.partitions} == {place.topic, "__consumer_offsets"}
        assert described[names[2]].partitions == frozenset()
        listed = {each.transactional_id: each for each in await admin.list_transactions()}
        assert [listed[name].state for name in names] == ["Empty", "Ongoing", "CompleteAbort"]
        only = await admin.list_transactions(["Ongoing"], producer_ids=[open_.producer_id])
        assert [each.transactional_id for each in only] == [names[1]]
        by_name = await admin.list_transactions(pattern=f"{names[0][:-2]}..")
        assert [each.transactional_id for each in by_name] == [names[0]]
        long_open = await admin.list_transactions(duration_ms=3_600_000)
        assert names[1] not in {each.transactional_id for each in long_open}
        await told_as_it_is(admin, place, open_, over)
        pending = await asyncio.wait_for(admin.list_group_offsets(group, [place]), WAIT_S)
        assert pending == {}
        await open_.end(commit=True)


async def told_as_it_is(
    admin: Admin, place: TopicPartition, open_: RawProducer, over: RawProducer
) -> None:
    """What is wrong is told at once; a partition knows who has a transaction open there."""
    (producers,) = (await admin.describe_producers([place])).values()
    starts = {each.producer_id: each.transaction_start_offset for each in producers}
    assert starts == {open_.producer_id: 0, over.producer_id: -1}
    epochs = {each.producer_id: each.coordinator_epoch for each in producers}
    assert (epochs[open_.producer_id], epochs[over.producer_id] >= 0) == (-1, True)
    with pytest.raises(Fatal, match="transactional id nobody: TRANSACTIONAL_ID_NOT_FOUND"):
        await admin.describe_transactions(["nobody"])
    with pytest.raises(Fatal, match="knows no state 'ongoing'; Kafka's states are Empty, Ongoing"):
        await admin.list_transactions(["ongoing"])
    with pytest.raises(Fatal, match=r"INVALID_REGULAR_EXPRESSION: .*one of RE2"):
        await admin.list_transactions(pattern="[")
    with pytest.raises(Fatal, match=r"t-.*-9: UNKNOWN_TOPIC_OR_PARTITION"):
        await admin.describe_producers([TopicPartition(place.topic, 9)])
    with pytest.raises(Fatal, match="topic nowhere: UNKNOWN_TOPIC_OR_PARTITION"):
        await admin.describe_producers([TopicPartition("nowhere", 0)])


async def an_id_is_terminated(bootstrap: str) -> None:
    """What is open is aborted and its producer fenced; an unknown id is refused, not created."""
    place = await new_place(bootstrap)
    async with producer(bootstrap) as writer, Admin(bootstrap) as admin:
        await writer.write(place, b"x")
        with pytest.raises(Fatal, match="transactional id nobody: TRANSACTIONAL_ID_NOT_FOUND"):
            await admin.force_terminate_transaction("nobody")
        assert await admin.list_transactions(pattern="nobody") == []
        await admin.force_terminate_transaction(writer.transactional_id)
        name = writer.transactional_id
        described = (await admin.describe_transactions([name]))[name]
        assert (described.state, described.timeout_ms) == ("Empty", 60_000)
        assert await writer.end(commit=True) is ErrorCode.PRODUCER_FENCED
        async with reader(bootstrap, place, "read_committed") as consumer:
            assert await values(consumer, place, 2) == []


async def what_hangs_is_found_and_ended(bootstrap: str) -> None:
    """A transaction that no coordinator knows: found, aborted by its place, and readers go on."""
    place = await new_place(bootstrap)
    broker = ConfigResource.broker(None)
    async with (
        producer(bootstrap) as known,
        producer(bootstrap) as lost,
        Admin(bootstrap) as admin,
        reader(bootstrap, place, "read_committed") as consumer,
    ):
        now_ms = int(time.time() * 1000)
        await known.write(place, b"k0")
        await admin.alter_configs(broker, {VERIFICATION: "false"})
        try:
            assert await lost.write(place, b"l1", is_added=True, now_ms=now_ms) == 1
        finally:
            await admin.alter_configs(broker, {VERIFICATION: None})
        assert await admin.find_hanging_transactions([place]) == []  # too young
        (found,) = await admin.find_hanging_transactions([place], max_transaction_timeout_ms=0)
        assert (found.partition, found.producer.producer_id) == (place, lost.producer_id)
        assert (found.producer.transaction_start_offset, found.producer.producer_epoch) == (1, 0)
        with pytest.raises(Fatal, match="began at offset 7; those open there began at 0, 1"):
            await admin.abort_transaction(place, 7)
        await known.end(commit=True)
        assert (await asyncio.wait_for(consumer.getone(), WAIT_S)).value == b"k0"
        assert (await consumer.end_offsets([place]))[place] == 1
        await admin.abort_transaction(place, 1)
        assert await values(consumer, place, 4) == []
        assert await admin.find_hanging_transactions([place], max_transaction_timeout_ms=0) == []
        with pytest.raises(Fatal, match="none is open there"):
            await admin.abort_transaction(place, 1)


async def an_abort_whose_answer_is_lost_is_written_once(bootstrap: str) -> None:
    """The next attempt looks first: a second marker might abort the producer's next transaction."""
    place = await new_place(bootstrap)
    rules = [
        Rule(action=Disconnect(), api="WriteTxnMarkers", nth=1),  # it does not arrive
        Rule(action=LoseReply(), api="WriteTxnMarkers", nth=1),  # of the next attempt
    ]
    async with (
        producer(bootstrap) as writer,
        Proxy(bootstrap, rules) as proxy,
        Admin(proxy.bootstrap_servers) as admin,
        reader(bootstrap, place, "read_uncommitted") as consumer,
    ):
        await writer.write(place, b"x")
        await admin.abort_transaction(place, 0)
        assert [rule.fired for rule in proxy.rules] == [1, 1]
        assert (await consumer.end_offsets([place]))[place] == 2
        await writer.end(commit=False)
        assert await end_of(consumer, place, 3) == 3  # its coordinator's own


async def a_member_waits_for_an_offset_that_is_pending(bootstrap: str) -> None:
    """Who begins where a transaction may yet move the group begins there once it has (KIP-447)."""
    place, group = await new_place(bootstrap), f"g-{uuid4().hex[:8]}"
    async with Producer(bootstrap) as plain, producer(bootstrap) as writer:
        await plain.send_many(place.topic, [b"%d" % n for n in range(4)], partition=0)
        await writer.commit_offset(group, place, 3)
        member = Consumer(place.topic, bootstrap_servers=bootstrap, group_id=group,
                          auto_offset_reset="earliest", retry_backoff_ms=20)  # fmt: skip
        async with member:
            async with asyncio.timeout(WAIT_S):
                while not member.assignment():
                    assert await member.getmany(timeout_ms=POLL_MS) == {}
            assert await member.getmany(timeout_ms=5 * POLL_MS) == {}  # it asks, and is told 88
            await writer.end(commit=True)
            assert (await asyncio.wait_for(member.getone(), WAIT_S)).value == b"3"


async def what_others_commit_is_read(bootstrap: str) -> None:
    """Three producers of other makers at once: each one's commits in order, and nothing else."""
    place = await new_place(bootstrap)
    names = {client: f"{client}-{uuid4().hex[:8]}" for client in FOREIGN}
    async with reader(bootstrap, place, "read_committed") as consumer:
        async with asyncio.TaskGroup() as group:
            for client, produce in FOREIGN.items():
                group.create_task(produce(bootstrap, place.topic, names[client]))
        end = (await consumer.end_offsets([place]))[place]
        seen = await values(consumer, place, end)
    for name in names.values():
        told = [each for each in seen if each is not None and each.startswith(name.encode())]
        assert told == committed(name)
    assert len(seen) == sum(len(committed(name)) for name in names.values())


SCENARIOS = [
    an_abort_whose_answer_is_lost_is_written_once,
    a_member_waits_for_an_offset_that_is_pending,
    committed_only,
    latest_is_the_last_stable_offset,
    what_coordinators_and_partitions_tell,
    an_id_is_terminated,
    what_hangs_is_found_and_ended,
]
