"""EDGE: what our transactional Producer does, played against any broker: ours or a real Kafka.

Each scenario takes the bootstrap servers of one node and makes topics, groups and ids of its own.
Faults come from a proxy between the producer and the broker. Waits are bounded by WAIT_S.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.client import (
    Abortable,
    Admin,
    ClientError,
    Consumer,
    DeliveryTimeout,
    Fatal,
    Fenced,
    GroupOffsets,
    Producer,
    TopicPartition,
)
from minibroker.testing.proxy import Proxy

from tests.support.in_loop.looking import until
from tests.support.transactions.scenarios import end_of, new_place, reader

WAIT_S = 30.0
TIMEOUT_MS = 20_000
Scenario = Callable[[str], Awaitable[None]]


def new_name(kind: str) -> str:
    """A name nobody else has."""
    return f"{kind}-{uuid4().hex[:8]}"


def producer(bootstrap: str, name: str | None = None, **options: Any) -> Producer:
    """A transactional producer that is quick to try again."""
    given = {"retry_backoff_ms": 5, "retry_backoff_max_ms": 50, "max_block_ms": TIMEOUT_MS}
    return Producer(bootstrap, transactional_id=name or new_name("p"), **{**given, **options})


async def committed(bootstrap: str, place: TopicPartition) -> list[bytes | None]:
    """All that read_committed gives, once everything has ended."""
    async with (
        Consumer(bootstrap_servers=bootstrap) as all_of_it,
        reader(bootstrap, place, "read_committed") as consumer,
    ):
        end = (await all_of_it.end_offsets([place]))[place]
        await end_of(consumer, place, end)
        seen: list[bytes | None] = []
        async with asyncio.timeout(WAIT_S):
            while await consumer.position(place) < end:
                taken = await consumer.getmany(timeout_ms=100)
                seen += [record.value for records in taken.values() for record in records]
        return seen


async def all_or_nothing(bootstrap: str) -> None:
    """What leaves the block well is seen, what leaves it with an exception is not."""
    place = await new_place(bootstrap)
    async with producer(bootstrap) as writer:
        for number in range(3):
            async with writer.transaction() as tx:
                await tx.send(place.topic, b"c%d" % number)
                await tx.send_many(place.topic, [b"m%d" % number], [b"key"])
            for waits in (True, False):
                with pytest.raises(KeyError):
                    await left_with_an_error(writer, place, b"a%d" % number, waits=waits)
    expected = [value for number in range(3) for value in (b"c%d" % number, b"m%d" % number)]
    assert await committed(bootstrap, place) == expected


async def left_with_an_error(
    writer: Producer, place: TopicPartition, value: bytes, *, waits: bool
) -> None:
    """What is on its way, or not yet, when the block ends."""
    async with writer.transaction():
        delivery = await writer.send(place.topic, value)
        if waits:
            await delivery
        raise KeyError(value)


async def an_empty_transaction_sends_nothing(bootstrap: str) -> None:
    """No coordinator hears of it."""
    name = new_name("p")
    async with (
        Proxy(bootstrap, [Rule(action=LoseReply(), api="EndTxn")]) as proxy,
        producer(proxy.bootstrap_servers, name) as writer,
        Admin(bootstrap) as admin,
    ):
        async with writer.transaction():
            pass
        tx = writer.transaction()
        await tx.begin()
        await tx.abort()
        assert [rule.fired for rule in proxy.rules] == [0]
        assert (await admin.describe_transactions([name]))[name].state == "Empty"


async def lost_answers_change_nothing(bootstrap: str) -> None:
    """Of each request an answer is lost; everything is there once."""
    place, group = await new_place(bootstrap), new_name("g")
    apis = ("InitProducerId", "AddPartitionsToTxn", "Produce", "AddOffsetsToTxn", "EndTxn")
    rules = [Rule(action=LoseReply(), api=api, nth=1) for api in (*apis, "TxnOffsetCommit")]
    source = await new_place(bootstrap)
    async with Producer(bootstrap) as plain:
        await plain.send_and_wait(source.topic, b"in")
    async with (
        Proxy(bootstrap, rules) as proxy,
        producer(proxy.bootstrap_servers) as writer,
        grouped(bootstrap, group) as consumer,
    ):
        consumer.assign([source])
        await asyncio.wait_for(consumer.getone(), WAIT_S)
        async with writer.transaction() as tx:
            await tx.send(place.topic, b"v")
            await tx.commit_offsets(consumer)
        assert {rule.fired for rule in proxy.rules} <= {0, 1}
        assert sum(rule.fired for rule in proxy.rules) >= 4
        position = await consumer.committed(source)
        assert position is not None
        assert position.offset == 1
    assert await committed(bootstrap, place) == [b"v"]


async def a_successor_fences(bootstrap: str) -> None:
    """Whoever starts under the same id ends what the other has open, and the other is told."""
    place, name = await new_place(bootstrap), new_name("p")
    async with producer(bootstrap, name) as old:
        tx = old.transaction()
        await tx.begin()
        await tx.send_and_wait(place.topic, b"old")
        async with producer(bootstrap, name) as new:
            async with new.transaction() as its:
                await its.send(place.topic, b"new")
            with pytest.raises(Fenced, match=f"transactional id {name}: .*newer producer") as told:
                await tx.commit()
            assert not told.value.possibly_persisted
            assert re.search(r"now has producer id \d+, epoch \d+, state \w+$", str(told.value))
            with pytest.raises(Fenced):
                await old.send(place.topic, b"again")
            with pytest.raises(Fenced):
                await old.transaction().begin()
            async with new.transaction() as its:
                await its.send(place.topic, b"goes on")
    assert await committed(bootstrap, place) == [b"new", b"goes on"]


async def stop_aborts_what_is_open(bootstrap: str) -> None:
    """And so does whoever is cancelled; the next one under the id waits for nothing."""
    place, name = await new_place(bootstrap), new_name("p")
    async with producer(bootstrap, name) as writer, Admin(bootstrap) as admin:
        await writer.transaction().begin()
        await writer.send_and_wait(place.topic, b"open")
        await writer.stop()
        async with asyncio.timeout(WAIT_S):
            state = "Ongoing"
            while state not in ("CompleteAbort", "Empty"):
                state = (await admin.describe_transactions([name]))[name].state
                assert state != "Ongoing"
    async with producer(bootstrap, name) as writer:

        async def work() -> None:
            async with writer.transaction() as tx:
                await tx.send_and_wait(place.topic, b"cancelled")
                await asyncio.get_running_loop().create_future()

        task = asyncio.create_task(work())
        await until(lambda: bool(writer.metrics()["record-send-total"]), WAIT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with writer.transaction() as tx:
            await tx.send(place.topic, b"next")
    assert await committed(bootstrap, place) == [b"next"]


async def late_deliveries_abort(bootstrap: str) -> None:
    """A record is not confirmed in time: commit says so, and nothing is seen."""
    place = await new_place(bootstrap)
    lose = Rule(action=LoseReply(then="silence"), api="Produce", nth=1)
    bounds: dict[str, Any] = {"delivery_timeout_ms": 300, "request_timeout_ms": 200, "linger_ms": 0}
    async with (
        Proxy(bootstrap, [lose]) as proxy,
        producer(proxy.bootstrap_servers, **bounds) as writer,
    ):
        tx = writer.transaction()
        await tx.begin()
        delivery = await tx.send(place.topic, b"late")
        with suppress(ClientError):
            await delivery
        if delivery.exception() is None:  # the second attempt was quick
            await tx.abort()
        else:
            with pytest.raises(Abortable, match="cannot be committed"):
                await tx.commit()
        await commit_at_last(writer, place.topic, b"v")
    seen = await committed(bootstrap, place)
    assert seen == [b"v"]


async def commit_at_last(writer: Producer, topic: str, value: bytes) -> None:
    """On a slow machine a record is late again now and then, and its transaction aborted again."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with suppress(Abortable):
                async with writer.transaction() as tx:
                    await tx.send(topic, value)
                return


async def an_unanswered_commit_is_told_as_unknown(bootstrap: str) -> None:
    """The bound of the wait passes; what was asked for happens all the same, and once."""
    place = await new_place(bootstrap)
    lose = Rule(action=LoseReply(), api="EndTxn", times=3)
    async with (
        Proxy(bootstrap, [lose]) as proxy,
        producer(
            proxy.bootstrap_servers,
            max_block_ms=700,
            retry_backoff_ms=400,
            retry_backoff_max_ms=400,
        ) as writer,
    ):
        with pytest.raises(DeliveryTimeout, match="not known to be committed") as told:
            async with writer.transaction() as tx:
                await tx.send(place.topic, b"1")
        assert told.value.possibly_persisted
        async with asyncio.timeout(WAIT_S):
            while True:
                tx = writer.transaction()
                try:
                    await tx.begin()
                except ClientError:
                    continue
                break
        await tx.send(place.topic, b"2")
        await tx.commit()
    assert await committed(bootstrap, place) == [b"1", b"2"]


def grouped(bootstrap: str, group: str, *topics: str, **options: Any) -> Consumer:
    """A member of a group that commits nothing by itself."""
    return Consumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        **options,
    )


async def offsets_go_with_the_transaction(bootstrap: str) -> None:
    """Committed with it, gone with it; after an abort the consumer goes back."""
    source, target, group = await new_place(bootstrap), await new_place(bootstrap), new_name("g")
    async with Producer(bootstrap) as plain:
        await plain.send_many(source.topic, [b"%d" % number for number in range(4)])
    async with producer(bootstrap) as writer, grouped(bootstrap, group, source.topic) as consumer:
        for is_well in (False, True, True):
            record = await asyncio.wait_for(consumer.getone(), WAIT_S)
            try:
                async with writer.transaction() as tx:
                    await tx.send(target.topic, b"out " + (record.value or b""))
                    await tx.commit_offsets(consumer)
                    if not is_well:
                        raise KeyError
            except KeyError:
                assert await consumer.committed(source) is None
                await consumer.seek_to_committed()
        position = await consumer.committed(source)
        assert position is not None
        assert position.offset == 2
        own = Consumer(bootstrap_servers=bootstrap, group_id=group)
        async with own, writer.transaction() as tx:
            with pytest.raises(ValueError, match="enable_auto_commit=False"):
                await tx.commit_offsets(own)
    assert await committed(bootstrap, target) == [b"out 0", b"out 1"]


async def a_rebalance_fences(bootstrap: str) -> None:
    """Who was replaced in the group commits neither offsets nor output."""
    source, target, group = await new_place(bootstrap), await new_place(bootstrap), new_name("g")
    async with Producer(bootstrap) as plain:
        await plain.send(source.topic, b"in")
    bounds = {"session_timeout_ms": 6_000, "heartbeat_interval_ms": 100}
    async with (
        producer(bootstrap) as writer,
        grouped(bootstrap, group, source.topic, **bounds) as consumer,
    ):
        record = await asyncio.wait_for(consumer.getone(), WAIT_S)
        taken = consumer.group_offsets()
        tx = writer.transaction()
        await tx.begin()
        await tx.send(target.topic, b"out " + (record.value or b""))
        async with grouped(bootstrap, group, source.topic, **bounds) as other:
            async with asyncio.timeout(WAIT_S):
                while not other.assignment() and not has_moved(consumer, taken):
                    await consumer.getmany(timeout_ms=50)
                    await other.getmany(timeout_ms=50)
            with pytest.raises(Abortable, match=r"ILLEGAL_GENERATION|UNKNOWN_MEMBER_ID"):
                await tx.commit_offsets(taken)
            with pytest.raises(Abortable):
                await tx.commit()
        assert await consumer.committed(source) is None
    assert await committed(bootstrap, target) == []


def has_moved(consumer: Consumer, taken: GroupOffsets) -> bool:
    """Whether the group has gone on since."""
    try:
        return consumer.group_offsets().generation != taken.generation
    except Abortable:
        return True


async def what_can_never_be_is_fatal(bootstrap: str) -> None:
    """A start that is refused says why, and what to change."""
    with pytest.raises(Fatal, match=r"transaction_timeout_ms is above transaction\.max\.timeout"):
        await producer(bootstrap, transaction_timeout_ms=2**31 - 1).start()


SCENARIOS: list[Scenario] = [
    all_or_nothing,
    an_empty_transaction_sends_nothing,
    lost_answers_change_nothing,
    a_successor_fences,
    stop_aborts_what_is_open,
    late_deliveries_abort,
    an_unanswered_commit_is_told_as_unknown,
    offsets_go_with_the_transaction,
    a_rebalance_fences,
    what_can_never_be_is_fatal,
]
