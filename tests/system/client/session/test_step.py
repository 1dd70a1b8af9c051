"""Steps: several sends and one mark, all of it or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from minibroker.client import Delivery, Fatal, Producer
from minibroker.testing import TestBroker


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as each:
        yield each


@pytest.fixture
async def producer(broker: TestBroker, tmp_path: Path) -> AsyncIterator[Producer]:
    session = str(tmp_path / "s")
    async with Producer(
        broker.bootstrap_servers, session=session, linger_ms=1, buffer_memory=100_000
    ) as each:
        await each.send_and_wait("t", b"first")
        await each.send_and_wait("u", b"first")
        yield each


def values(broker: TestBroker, topic: str) -> list[bytes]:
    return [record.value or b"" for record in broker.records(topic)]


async def test_nothing_of_a_step_leaves_before_it_closes(
    broker: TestBroker, producer: Producer
) -> None:
    async with producer.session.step("rows", 7):
        inside = await producer.send("t", b"1")
        await producer.send("u", b"2", key=b"k")
        await asyncio.create_task(send_outside(producer, b"3"))
        assert not inside.done
        await producer.flush()
        assert values(broker, "t") == [b"first"]
        assert "rows" not in producer.session.marks
    assert (await inside).topic == "t"
    await producer.flush()
    assert producer.session.marks["rows"] == 7
    assert values(broker, "t") == [b"first", b"1", b"3"]
    assert values(broker, "u") == [b"first", b"2"]


async def send_outside(producer: Producer, value: bytes) -> None:
    await producer.send("t", value)


async def test_what_others_send_meanwhile_is_no_part_of_it(
    broker: TestBroker, producer: Producer
) -> None:
    opened, closing = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        async with producer.session.step(None, 1):
            await producer.send("t", b"of the step")
            opened.set()
            await closing.wait()

    stepping = asyncio.create_task(step())
    await opened.wait()
    await producer.send_and_wait("t", b"of another")
    closing.set()
    await stepping
    await producer.flush()
    assert values(broker, "t") == [b"first", b"of another", b"of the step"]


async def test_an_exception_drops_a_step(broker: TestBroker, producer: Producer) -> None:
    deliveries: list[Delivery] = []

    async def fail() -> None:
        async with producer.session.step("rows", 7):
            deliveries.append(await producer.send("t", b"1"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    with pytest.raises(Fatal, match="not sent: the step was left by an exception") as caught:
        await deliveries[0]
    assert not caught.value.possibly_persisted
    await producer.send_and_wait("t", b"2")
    assert "rows" not in producer.session.marks
    assert values(broker, "t") == [b"first", b"2"]


async def send_and_wait(producer: Producer) -> None:
    await producer.send_and_wait("t", b"1")


async def await_quietly(producer: Producer) -> None:
    delivery = await producer.send("t", b"1")
    with suppress(RuntimeError):  # and on as if nothing had happened
        await delivery


async def send_many(producer: Producer) -> None:
    await producer.send_many("t", [b"1"])


@pytest.mark.parametrize("way", [send_and_wait, await_quietly, send_many])
async def test_nobody_waits_for_a_step_within_it(
    broker: TestBroker, producer: Producer, way: Callable[[Producer], Awaitable[None]]
) -> None:
    async def step() -> None:
        async with producer.session.step("rows", 1):
            await way(producer)

    with pytest.raises(RuntimeError, match=r"(?i)with.* the step|within a step use send"):
        await step()
    await producer.send_and_wait("u", b"behind")
    assert values(broker, "t") == [b"first"]
    assert "rows" not in producer.session.marks


async def test_a_step_larger_than_the_buffer_fails_at_the_call(
    broker: TestBroker, producer: Producer
) -> None:
    sent = 0

    async def step() -> None:
        nonlocal sent
        async with producer.session.step("rows", 1):
            for _ in range(200):
                await producer.send("t", b"x" * 1_000)
                sent += 1

    with pytest.raises(Fatal, match="buffer_memory is 100000"):
        await step()
    assert sent < 100
    assert values(broker, "t") == [b"first"]


async def test_a_step_waits_for_room(broker: TestBroker, producer: Producer) -> None:
    async with producer.session.step("rows", 1):
        for _ in range(50):
            await producer.send("t", b"x" * 1_000)
    async with producer.session.step("rows", 2):
        for _ in range(90):
            await producer.send("t", b"y" * 1_000)
    await producer.flush()
    assert len(values(broker, "t")) == 141
    assert producer.session.marks["rows"] == 2


async def test_steps_have_their_own_mark_and_no_steps_within(producer: Producer) -> None:
    async with producer.session.step("rows", 1) as step:
        with pytest.raises(RuntimeError, match="a step has its own mark"):
            await producer.send("t", b"1", mark=1)
        with pytest.raises(RuntimeError, match="within another"):
            async with producer.session.step("rows", 2):
                pass
    with pytest.raises(RuntimeError, match="begun once"):
        async with step:
            pass


async def test_a_step_without_records_moves_its_mark(producer: Producer) -> None:
    async with producer.session.step("rows", 3):
        pass
    await producer.send_and_wait("t", b"1")
    assert producer.session.marks["rows"] == 3
