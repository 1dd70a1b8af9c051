"""Sessions under a transactional id, and copies of them: each case played on a Stage.

As session_cases.py. A copy is what stands in the directory while its owner goes on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from minibroker.client import Fatal, Fenced, Producer
from minibroker.client.errors import StaleJournal
from minibroker.client.session.journal import look
from minibroker.client.session.journal_recovery import LOCK
from minibroker.client.session.open_batch import OpenBatch
from minibroker.protocol.errors import ErrorCode

from tests.support.sessions.settling_stage import GONE_AFTER_MS, WAIT_S, Stage

OwnerCase = Callable[[Stage, str, Path], Awaitable[None]]


@asynccontextmanager
async def owner(
    stage: Stage, directory: Path, name: str, **options: float
) -> AsyncIterator[Producer]:
    """One that has the id from now on."""
    producer = Producer(
        stage.servers,
        session=str(directory),
        transactional_id=name,
        linger_ms=0,
        retry_backoff_ms=20,
        retry_backoff_max_ms=100,
        **options,  # type: ignore[arg-type]  # some option each
    )
    sending = producer.session.sending
    assert sending.owning is not None
    sending.owning.ownership.gone_after_ms = sending._settler.gone_after_ms = GONE_AFTER_MS
    async with asyncio.timeout(WAIT_S), producer:
        yield producer


def copied(directory: Path) -> Path:
    """A copy, as a backup makes it."""
    copy = directory.with_name(f"{directory.name}-copy")
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns(LOCK))
    return copy


async def left_open(
    stage: Stage, topic: str, directory: Path, name: str, *values: bytes
) -> list[OpenBatch]:
    """What an owner has journaled, and not sent, when it ends: one record, and then these."""
    async with owner(stage, directory, name) as producer:
        await producer.send_and_wait(topic, b"first", partition=0, mark=0)
        await stage.stop()
        for number, value in enumerate(values, 1):
            delivery = await producer.send(topic, value, partition=0, mark=number)
            delivery.add_done_callback(lambda _: None)
        await producer.stop(0)
    await stage.start()
    return [*look(directory)[0].state.open.values()]


async def owners_follow_one_another(stage: Stage, topic: str, directory: Path) -> None:
    for number in range(3):
        async with owner(stage, directory, topic) as producer:
            assert producer.session.marks.get("file", 0) == number
            mark = ("file", number + 1)
            await producer.send_and_wait(topic, b"%d" % number, partition=0, mark=mark)
            await producer.send_and_wait("others", b"%d" % number, partition=number % 2)
    assert await stage.values(topic) == [b"0", b"1", b"2"]


async def who_goes_on_with_a_copy_fences_the_first(
    stage: Stage, topic: str, directory: Path
) -> None:
    me = f"process {os.getpid()}"
    async with owner(stage, directory, topic) as first:
        await first.send_and_wait(topic, b"1", partition=0, mark=1)
        async with owner(stage, copied(directory), topic) as second:
            assert second.session.marks[None] == 1
            with pytest.raises(Fenced, match=rf"copy of this session.*{me}.*now has producer id"):
                await first.send_and_wait(topic, b"2", partition=0, mark=2)
            with pytest.raises(Fenced):
                await first.send(topic, b"3", partition=0)
            await second.send_and_wait(topic, b"2", partition=0, mark=2)
    assert await stage.values(topic) == [b"1", b"2"]
    with pytest.raises(StaleJournal, match=rf"gone on with elsewhere: by .*{me}"):
        async with owner(stage, directory, topic):
            pytest.fail("it has started")


async def the_first_is_fenced_where_nobody_has_written(
    stage: Stage, topic: str, directory: Path
) -> None:
    """A partition without a marker: the coordinator is asked before its first batch."""
    async with owner(stage, directory, topic) as first:
        await first.send_and_wait("others", b"1", partition=1)
        before = await stage.end_of(topic)
        async with owner(stage, copied(directory), topic):
            with pytest.raises(Fenced, match="goes on with a copy"):
                await first.send_and_wait(topic, b"2", partition=0)
    assert await stage.end_of(topic) == before


async def an_old_copy_does_not_disturb_the_owner(stage: Stage, topic: str, directory: Path) -> None:
    """It knows nothing of a partition that the owner has gone to since; or less of one."""
    async with owner(stage, directory, topic) as first:
        await first.send_and_wait("others", b"1", partition=1)
        copy = copied(directory)
        await first.send_and_wait(topic, b"2", partition=0)
        with pytest.raises(StaleJournal, match=f"It wrote to {topic}-0, which is not in here"):
            async with owner(stage, copy, topic):
                pytest.fail("it has started")
        shutil.rmtree(copy)
        copied(directory)
        await first.send_and_wait(topic, b"3", partition=0)
        with pytest.raises(StaleJournal, match="an old copy"):
            async with owner(stage, copy, topic):
                pytest.fail("it has started")
        await first.send_and_wait(topic, b"4", partition=0)
    assert await stage.values(topic) == [b"2", b"3", b"4"]


async def what_is_absent_goes_under_the_next_epoch(
    stage: Stage, topic: str, directory: Path
) -> None:
    late = await left_open(stage, topic, directory, topic, b"2", b"3")
    async with owner(stage, directory, topic) as producer:
        for batch in late:
            answer = await stage.send(batch)
            assert answer.code == ErrorCode.INVALID_PRODUCER_EPOCH
        await producer.send_and_wait(topic, b"4", partition=0)
    assert await stage.values(topic) == [b"first", b"2", b"3", b"4"]


async def what_came_late_before_the_marker_is_found(
    stage: Stage, topic: str, directory: Path
) -> None:
    late = await left_open(stage, topic, directory, topic, b"2", b"3")
    assert not (await stage.send(late[0])).code
    async with owner(stage, directory, topic) as producer:
        await producer.send_and_wait(topic, b"4", partition=0)
    assert await stage.values(topic) == [b"first", b"2", b"3", b"4"]


async def owners_die_before_they_send(stage: Stage, topic: str, directory: Path) -> None:
    """Each leaves a marker, and the batches of the first are still open."""
    await left_open(stage, topic, directory, topic, b"2")
    for _ in range(2):
        producer = Producer(stage.servers, session=str(directory), transactional_id=topic)
        await producer.start()
        await producer.stop(0)
    async with owner(stage, directory, topic) as producer:
        await producer.send_and_wait(topic, b"3", partition=0)
    assert await stage.values(topic) == [b"first", b"2", b"3"]


async def nothing_new_is_sent(stage: Stage, topic: str, directory: Path) -> None:
    """What was open is sent all the same, in the time that stop() takes."""
    await left_open(stage, topic, directory, topic, b"2")
    async with owner(stage, directory, topic):
        pass
    assert await stage.values(topic) == [b"first", b"2"]


async def a_refused_record_takes_a_later_epoch(stage: Stage, topic: str, directory: Path) -> None:
    await stage.delete(topic)
    await stage.create(topic, {"max.message.bytes": "300"})
    async with owner(stage, directory, topic) as producer:
        await producer.send_and_wait(topic, b"1", partition=0)
        with pytest.raises(Fatal, match="MESSAGE_TOO_LARGE"):
            await producer.send_and_wait(topic, b"x" * 500, partition=0)
        for value in (b"2", b"3"):
            await producer.send_and_wait(topic, value, partition=0)
        await producer.send_and_wait("others", b"4", partition=0)
    assert await stage.values(topic) == [b"1", b"2", b"3"]


async def a_session_keeps_its_id(stage: Stage, topic: str, directory: Path) -> None:
    async with owner(stage, directory, topic) as producer:
        await producer.send_and_wait(topic, b"1", partition=0)
    with pytest.raises(Fatal, match=f"belongs to transactional id '{topic}'"):
        async with owner(stage, directory, "other"):
            pytest.fail("it has started")
    with pytest.raises(Fatal, match=f"belongs to transactional id '{topic}'"):
        async with Producer(stage.servers, session=str(directory)):
            pytest.fail("it has started")
    with pytest.raises(StaleJournal, match="is another one"):
        async with owner(stage, directory.with_name("new"), topic):
            pytest.fail("it has started")


OWNER_CASES: tuple[OwnerCase, ...] = (
    owners_follow_one_another,
    who_goes_on_with_a_copy_fences_the_first,
    the_first_is_fenced_where_nobody_has_written,
    an_old_copy_does_not_disturb_the_owner,
    what_is_absent_goes_under_the_next_epoch,
    what_came_late_before_the_marker_is_found,
    owners_die_before_they_send,
    nothing_new_is_sent,
    a_refused_record_takes_a_later_epoch,
    a_session_keeps_its_id,
)
