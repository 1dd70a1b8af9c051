"""Producers that go on with what a dead one has left, each case played on a Stage.

As settling_cases.py, through the public face: the journal is written as the dead process would have
written it, and what the topics hold in the end is compared with what was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from minibroker.client import Fatal, Producer
from minibroker.client.errors import DeliveryTimeout, StaleJournal
from minibroker.client.session.entries import Cut, Entry, Identity, Refused
from minibroker.client.session.journal import Journal
from minibroker.client.session.open_batch import OpenBatch
from minibroker.client.session.outcomes import Unsettled
from minibroker.protocol import sequence
from minibroker.protocol.errors import ErrorCode

from tests.support.in_loop.looking import until
from tests.support.sessions.settling_stage import GONE_AFTER_MS, WAIT_S, Dead, Stage

SessionCase = Callable[[Stage, str, Path], Awaitable[None]]


async def journaled(directory: Path, *left: Dead, refused: int | None = None) -> None:
    """Write the journal of a process that has died.

    Args:
        refused: the number of a batch that was refused for good.
    """
    journal = Journal.open(directory)
    batches = [batch for dead in left for batch in dead.batches]
    entries: list[Entry] = []
    for number, dead in enumerate(left):
        before = sequence.add(dead.batches[0].base_sequence, -1)
        last = before if dead.batches[0].base_sequence else -1
        entries += (
            Identity(dead.floor.producer_id, 0),
            replace(dead.floor, last_sequence=last),
            Cut({f"source-{number}": number}, renumbered(dead, batches)),
        )
        await journal.flush(journal.append(entries))
        entries.clear()
    if refused is not None:
        entries.append(Refused(refused, ErrorCode.INVALID_RECORD, "no key"))
        await journal.flush(journal.append(entries))
    await journal.close()


def renumbered(dead: Dead, batches: Sequence[OpenBatch]) -> tuple[OpenBatch, ...]:
    """The batches of one process, numbered by their place among all."""
    return tuple(replace(batch, number=batches.index(batch)) for batch in dead.batches)


@asynccontextmanager
async def going_on(stage: Stage, directory: Path) -> AsyncIterator[Producer]:
    """The next process."""
    producer = Producer(
        stage.servers, session=str(directory), linger_ms=0, retry_backoff_max_ms=100
    )
    producer.session.sending._settler.gone_after_ms = GONE_AFTER_MS
    async with asyncio.timeout(WAIT_S), producer:
        yield producer


async def unsettled(producer: Producer, count: int) -> tuple[Unsettled, ...]:
    """What people have to decide about, once there is so much of it."""
    await until(lambda: len(producer.session.unsettled) >= count, WAIT_S)
    return producer.session.unsettled


async def a_process_dies_again_and_again(stage: Stage, topic: str, directory: Path) -> None:
    dead = await stage.dead(topic, [1, 2, 1, 1], confirmed=1)
    await stage.send(dead.batches[0])
    await journaled(directory, dead)
    ends = []
    for value in (b"x", b"y"):
        async with going_on(stage, directory) as producer:
            assert dict(producer.session.marks) == {"source-0": 0}
            await producer.send_and_wait(topic, value, partition=0)
            ends.append(await stage.end_of(topic))
            assert producer.session.unsettled == ()
    assert await stage.values(topic) == [b"0", *dead.values, b"x", b"y"]


async def people_decide(stage: Stage, topic: str, directory: Path) -> None:
    """Two batches of a topic that was made again; another topic goes on meanwhile."""
    dead = await stage.dead(topic, [1, 1])
    other = await stage.dead("others", [1], partition=1)
    await journaled(directory, dead, other)
    await stage.delete(topic)
    await stage.create(topic)
    async with going_on(stage, directory) as producer:
        first, second = await unsettled(producer, 2)
        assert [each.reason.name for each in (first, second)] == ["MADE_AGAIN"] * 2
        receipt = await producer.send_and_wait("others", b"goes on", partition=1)
        assert receipt.partition == 1
        behind = await producer.send(topic, b"behind", partition=0)
        stranger = first._replace(batch=replace(first.batch, number=99))
        with pytest.raises(KeyError):
            await producer.session.settle(stranger, stored=True)
        await producer.stop(0)
    with pytest.raises(Fatal, match="stays open, in the session"):
        await behind
    async with going_on(stage, directory) as producer:  # nobody has decided: as before
        first, second = await unsettled(producer, 2)
        await producer.session.settle(first, stored=True)
        await producer.session.settle(second, stored=False)
        await producer.flush()
        assert producer.session.unsettled == ()
        await producer.send_and_wait(topic, b"last", partition=0)
    assert await stage.values(topic) == [b"1", b"behind", b"last"]


async def people_say_not_stored_and_are_wrong(stage: Stage, topic: str, directory: Path) -> None:
    """The broker remembers the batch: it is sent under its old identity, and known again."""
    dead = await stage.dead(topic, [1, 1], confirmed=1)
    await stage.send(dead.batches[0])
    await stage.deny(topic)
    await journaled(directory, dead)
    async with going_on(stage, directory) as producer:
        (one,) = await unsettled(producer, 1)
        assert one.reason.name == "NOT_ALLOWED"
        await producer.session.settle(one, stored=False)
        await producer.send_and_wait(topic, b"next", partition=0)
    assert (await stage.end_of(topic))[0] == 3


async def an_old_copy_sends_nothing(stage: Stage, topic: str, directory: Path) -> None:
    dead = await stage.dead(topic, [1, 1, 1])
    for batch in dead.batches:
        await stage.send(batch)
    await journaled(directory, Dead(dead.floor, dead.batches[:2]))
    with pytest.raises(StaleJournal, match="an old copy"):
        async with going_on(stage, directory):
            pytest.fail("it has started")
    assert await stage.values(topic) == dead.values


async def too_large_after_a_death(stage: Stage, topic: str, directory: Path) -> None:
    await stage.delete(topic)
    await stage.create(topic, {"max.message.bytes": "300"})
    dead = await stage.dead(topic, [60, 1])
    await journaled(directory, dead)
    async with going_on(stage, directory) as producer:
        await producer.send_and_wait(topic, b"next", partition=0)
    assert await stage.values(topic) == [*dead.values, b"next"]


async def refused_before_the_death(stage: Stage, topic: str, directory: Path) -> None:
    """What stands behind a refused batch gets another identity; the refused one is kept."""
    dead = await stage.dead(topic, [1, 1, 1, 1], confirmed=1)
    await journaled(directory, dead, refused=0)
    async with going_on(stage, directory) as producer:
        await producer.send_and_wait(topic, b"next", partition=0)
        (kept,) = producer.session.refused
        assert kept.batch.base_sequence == 1
        assert len(await producer.session.take_refused()) == 1
        assert producer.session.refused == ()
    assert await stage.values(topic) == [b"0", b"2", b"3", b"next"]
    for batch in dead.batches[1:]:  # a late request
        assert (await stage.send(batch)).code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


async def the_broker_is_away_for_long(stage: Stage, topic: str, directory: Path) -> None:
    """Past delivery_timeout_ms a record is open, in the session; the next process stores it."""
    producer = Producer(
        stage.servers,
        session=str(directory),
        delivery_timeout_ms=3_000,  # a second at most, and it is journaled
        request_timeout_ms=2_000,
        linger_ms=0,
        retry_backoff_max_ms=100,
    )
    async with asyncio.timeout(WAIT_S), producer:
        await producer.send_and_wait(topic, b"1", partition=0)
        await stage.stop()
        late = await producer.send(topic, b"2", partition=0)
        with pytest.raises(DeliveryTimeout, match="open, in the session"):
            await late
    await stage.start()
    async with going_on(stage, directory) as producer:
        await producer.send_and_wait(topic, b"3", partition=0)
    assert await stage.values(topic) == [b"1", b"2", b"3"]


SESSION_CASES: tuple[SessionCase, ...] = (
    a_process_dies_again_and_again,
    people_decide,
    people_say_not_stored_and_are_wrong,
    an_old_copy_sends_nothing,
    too_large_after_a_death,
    refused_before_the_death,
    the_broker_is_away_for_long,
)
