"""Whatever goes wrong inside the client, everybody who waits is told, and the next call says so."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from minibroker.client import (
    Admin,
    ClientError,
    Consumer,
    DeliveryTimeout,
    Fatal,
    Producer,
    TopicPartition,
)
from minibroker.client.fetch.fetcher import Fetcher
from minibroker.client.produce.batch import ProducerBatch
from minibroker.client.produce.lane import Lane
from minibroker.client.produce.sender import Sender
from minibroker.testing import TestBroker

from tests.support.in_loop.looking import until

T = TypeVar("T")
BOUND_S = 5.0
P0 = TopicPartition("t", 0)


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as broker:
        broker.create_topic("t")
        yield broker


async def soon(awaited: Awaitable[T]) -> T:
    """What comes of it, which must not take long."""
    async with asyncio.timeout(BOUND_S):
        return await awaited


def breaks(*_: object, **__: object) -> Any:
    raise KeyError("planted")


def background_tasks() -> list[asyncio.Task[Any]]:
    return [each for each in asyncio.all_tasks() if each.get_name() == "minibroker client"]


PLANTED: list[tuple[type[Any], str]] = [
    (Sender, "drain"),
    (Sender, "answered"),
    (Sender, "expire"),
    (Sender, "next_wake_ms"),
    (Lane, "put_on_wire"),
    (Lane, "settle"),
    (Lane, "acknowledge"),
    (Lane, "take_off_wire"),
]


@pytest.mark.parametrize(
    ("kind", "name"), PLANTED, ids=lambda each: getattr(each, "__name__", each)
)
async def test_a_defect_fails_what_is_open_and_says_so_to_the_next(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch, kind: type[Any], name: str
) -> None:
    if name == "settle":
        broker.faults.lose_reply("Produce", topic="t")
    producer = Producer(broker.bootstrap_servers, retry_backoff_ms=1)
    await producer.start()
    monkeypatch.setattr(kind, name, breaks)
    deliveries = [await soon(producer.send("t", b"%d" % n)) for n in range(3)]
    bulk = asyncio.ensure_future(producer.send_many("t", [b"x"] * 3))
    for each in deliveries:
        with pytest.raises(Fatal, match="planted"):
            await soon(each)
    with pytest.raises(ClientError, match="planted"):
        await soon(bulk)
    with pytest.raises(Fatal, match="planted"):
        await soon(producer.send("t", b"later"))
    with pytest.raises(Fatal, match="planted"):
        await soon(producer.partitions_for("t"))
    await soon(producer.flush())
    await soon(producer.stop())


async def test_a_batch_that_cannot_be_encoded_fails_alone(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = ProducerBatch._packed

    def planted(self: ProducerBatch, stamps: list[int]) -> bytes:
        if b"bad" in self.values:
            raise MemoryError
        return packed(self, stamps)

    monkeypatch.setattr(ProducerBatch, "_packed", planted)
    async with Producer(broker.bootstrap_servers, batch_size=0, linger_ms=50) as producer:
        deliveries = [await producer.send("t", each) for each in (b"a", b"bad", b"b", b"bad")]
        await soon(producer.flush())
        with pytest.raises(Fatal, match="cannot be encoded") as caught:
            await deliveries[1]
        assert not caught.value.possibly_persisted
        await soon(producer.send_and_wait("t", b"c"))
        assert producer.metrics()["record-error-total"] == 2
    broker.assert_stored_once("t", [b"a", b"b", b"c"])


async def test_a_record_that_a_broker_refuses_fails_alone(broker: TestBroker) -> None:
    """Brokers refuse a batch as a whole: here for a time far ahead of their clock."""
    ahead_ms = 32_503_680_000_000
    async with Producer(broker.bootstrap_servers, linger_ms=50) as producer:
        times = [None, None, ahead_ms, None, ahead_ms, None, None]
        deliveries = [
            await producer.send("t", b"%d" % n, timestamp_ms=each) for n, each in enumerate(times)
        ]
        outcomes = await soon(asyncio.gather(*map(_wait_for, deliveries), return_exceptions=True))
        await soon(producer.send_and_wait("t", b"last"))
    failed = [n for n, each in enumerate(outcomes) if isinstance(each, Fatal)]
    assert failed == [2, 4]
    assert "INVALID_TIMESTAMP" in str(outcomes[2])
    broker.assert_stored_once("t", [b"0", b"1", b"3", b"5", b"6", b"last"])
    assert [each.value for each in broker.records("t")][-1] == b"last"


async def test_whoever_waits_for_room_is_told_of_a_defect(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = broker.faults.hold(at="request", api="Produce", topic="t")
    producer = Producer(broker.bootstrap_servers, buffer_memory=1_000, linger_ms=0)
    await producer.start()
    await producer.send("t", bytes(900))
    waiting = [asyncio.ensure_future(producer.send("t", bytes(900))) for _ in range(3)]
    await soon(held.reached())
    monkeypatch.setattr(Sender, "expire", breaks)
    producer._sending.wake()
    for each in waiting:
        with pytest.raises(Fatal, match="planted"):
            await soon(each)
    held.release()
    await soon(producer.stop())


async def test_a_producer_whose_tasks_others_cancel_has_ended(broker: TestBroker) -> None:
    held = broker.faults.hold(at="request", api="Produce", topic="t")
    producer = Producer(broker.bootstrap_servers)
    await producer.start()
    delivery = await producer.send("t", b"v")
    waiting = asyncio.ensure_future(_wait_for(delivery))
    await soon(held.reached())
    for task in background_tasks():
        task.cancel()
    with pytest.raises(Fatal, match="cancelled by others") as caught:
        await soon(waiting)
    assert caught.value.possibly_persisted
    with pytest.raises(Fatal, match="cancelled by others"):
        await soon(producer.send("t", b"v"))
    held.release()
    await soon(producer.stop())


async def _wait_for(awaited: Awaitable[T]) -> T:
    return await awaited


async def test_a_start_that_is_cancelled_from_outside_ends(broker: TestBroker) -> None:
    producer = Producer(broker.bootstrap_servers)
    starting = asyncio.ensure_future(producer.start())
    await asyncio.sleep(0)
    for task in background_tasks():
        task.cancel()
    with pytest.raises(Fatal, match="cancelled by others"):
        await soon(starting)
    await soon(producer.start())  # and may be tried again
    await soon(producer.send_and_wait("t", b"v"))
    await soon(producer.stop())


@pytest.mark.parametrize("group", [None, "g"])
async def test_a_consumer_whose_tasks_others_cancel_has_ended(
    broker: TestBroker, group: str | None
) -> None:
    consumer = Consumer("t", bootstrap_servers=broker.bootstrap_servers, group_id=group)
    await consumer.start()
    waiting = [asyncio.ensure_future(consumer.getone()) for _ in range(2)]
    position = asyncio.ensure_future(consumer.getmany(timeout_ms=60_000))
    await asyncio.sleep(0)
    for task in asyncio.all_tasks():
        if task.get_name() in ("minibroker client", "join the group", "heartbeats"):
            task.cancel()
    for each in (*waiting, position):
        with pytest.raises(Fatal, match="cancelled by others"):
            await soon(each)
    calls: list[Callable[[], Awaitable[object]]] = [
        consumer.getone,
        lambda: consumer.end_offsets([P0]),
        lambda: consumer.partitions_for_topic("t"),
    ]
    for call in calls:
        with pytest.raises(Fatal, match="cancelled by others"):
            await soon(call())
    await soon(consumer.stop())


@pytest.mark.parametrize("name", ["plan", "answered", "next_wake_ms"])
async def test_a_defect_of_a_consumer_is_told_as_a_client_error(
    broker: TestBroker, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(Fetcher, name, breaks)
    async with Consumer(
        "t", bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        with pytest.raises(Fatal, match="planted"):
            await soon(consumer.getone())
        with pytest.raises(Fatal, match="planted"):
            await soon(consumer.getmany(timeout_ms=100))


async def test_an_admin_whose_task_others_cancel_has_ended(broker: TestBroker) -> None:
    admin = Admin(broker.bootstrap_servers)
    await admin.start()
    for task in background_tasks():
        task.cancel()
    await asyncio.sleep(0)
    with pytest.raises(Fatal, match="cancelled by others"):
        await soon(admin.list_topics())
    await soon(admin.stop())


async def test_a_stopped_producer_is_not_started_again(broker: TestBroker) -> None:
    producer = Producer(broker.bootstrap_servers)
    await producer.stop()  # before the first start there is nothing to stop
    await producer.start()
    await producer.start()
    await producer.send_and_wait("t", b"v")
    await producer.stop()
    await producer.stop()
    with pytest.raises(Fatal, match="was stopped"):
        await soon(producer.start())
    with pytest.raises(Fatal, match="was stopped"):
        await soon(producer.send("t", b"v"))


async def test_another_thread_or_loop_is_refused_at_once(broker: TestBroker) -> None:
    producer = Producer(broker.bootstrap_servers, linger_ms=1_000)
    consumer = Consumer(bootstrap_servers=broker.bootstrap_servers)
    admin = Admin(broker.bootstrap_servers)
    for client in (producer, consumer, admin):
        await client.start()
    delivery = await producer.send("t", b"v")  # the next would take the shortest way
    calls: list[Callable[[], Any]] = [
        lambda: producer.send("t", b"v"),
        lambda: producer.send_many("t", [b"v"]),
        lambda: _wait_for(delivery),
        lambda: delivery.add_done_callback(print),
        producer.flush,
        producer.metrics,
        producer.stop,
        lambda: consumer.assign([P0]),
        consumer.getone,
        lambda: consumer.getmany(timeout_ms=1),
        consumer.assignment,
        consumer.stop,
        admin.list_topics,
        admin.stop,
    ]
    errors: list[BaseException | None] = []

    async def elsewhere(call: Callable[[], Any]) -> None:
        async with asyncio.timeout(BOUND_S):
            answer = call()
            if asyncio.iscoroutine(answer):
                await answer

    def in_a_thread() -> None:
        for call in calls:
            try:
                asyncio.run(elsewhere(call))
                errors.append(None)
            except BaseException as error:
                errors.append(error)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    await asyncio.to_thread(thread.join, BOUND_S)
    assert [type(each) for each in errors] == [RuntimeError] * len(calls), errors
    assert all("belongs to the loop it was made in" in str(each) for each in errors)
    await producer.flush()
    for client in (producer, consumer, admin):
        await client.stop()
    broker.assert_stored_once("t", [b"v"])


async def test_a_forked_child_is_refused_at_once(broker: TestBroker) -> None:
    async with Producer(broker.bootstrap_servers, linger_ms=1_000) as producer:
        await producer.send("t", b"parent")  # the next would take the shortest way
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads are about: for a test
            pid = os.fork()
        if pid == 0:
            try:
                producer.send("t", b"child").send(None)
                said = "nothing was raised"
            except StopIteration:
                said = "it was taken"
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(writing, said.encode())
            os._exit(0)
        os.close(writing)
        said = (await asyncio.to_thread(os.read, reading, 1_000)).decode()
        os.close(reading)
        await asyncio.to_thread(os.waitpid, pid, 0)
    assert said.startswith("RuntimeError: a Producer belongs to the loop it was made in; this is a")
    assert "forked process" in said
    broker.assert_stored_once("t", [b"parent"])


async def test_records_nobody_waits_for_are_told_in_one_line_a_batch(
    broker: TestBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.faults.error("Produce", "TOPIC_AUTHORIZATION_FAILED", at="append", topic="t")
    with caplog.at_level(logging.WARNING, "minibroker.client"):
        async with Producer(broker.bootstrap_servers) as producer:
            for _ in range(3):
                await producer.send("t", b"v")
    (line,) = [each.getMessage() for each in caplog.records]
    assert "3 records for t-0" in line
    assert "TOPIC_AUTHORIZATION_FAILED" in line


async def test_records_somebody_waits_for_are_not_told_in_the_log(
    broker: TestBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.faults.error("Produce", "TOPIC_AUTHORIZATION_FAILED", at="append", topic="t", times=9)
    heard: list[object] = []
    with caplog.at_level(logging.WARNING, "minibroker.client"):
        async with Producer(broker.bootstrap_servers) as producer:
            with pytest.raises(Fatal):
                await producer.send_and_wait("t", b"v")
            with pytest.raises(Fatal):
                await producer.send_many("t", [b"v"])
            delivery = await producer.send("t", b"v")
            delivery.add_done_callback(lambda each: heard.append(each.exception()))
            await producer.flush()
            await asyncio.sleep(0)
    assert isinstance(heard[0], Fatal)
    assert caplog.records == []


async def test_callbacks_are_called_once_each_and_one_that_raises_harms_nothing(
    broker: TestBroker,
) -> None:
    loop, seen, told = asyncio.get_running_loop(), [], []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    async with Producer(broker.bootstrap_servers) as producer:
        delivery = await producer.send("t", b"v")
        with pytest.raises(asyncio.InvalidStateError):
            delivery.result()
        delivery.add_done_callback(breaks)
        delivery.add_done_callback(lambda each: seen.append(each.result().offset))
        receipt = await delivery
        delivery.add_done_callback(lambda each: seen.append(each.result().offset))
        await producer.send_and_wait("t", b"w")
    assert seen == [receipt.offset] * 2
    assert [type(each) for each in told] == [KeyError]
    assert delivery.exception() is None


async def test_a_producer_that_is_dropped_warns_where_it_was_made(broker: TestBroker) -> None:
    producer = Producer(broker.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait("t", b"v")
    made_at = rf"made at {__file__}:\d+ was dropped without stop"
    with pytest.warns(ResourceWarning, match=made_at):
        del producer
    for task in background_tasks():
        task.cancel()
    await asyncio.sleep(0)


async def test_a_wrong_advertised_address_is_in_the_log_long_before_anything_times_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = {"advertised.listeners": "PLAINTEXT://127.0.0.1:1"}
    with caplog.at_level(logging.WARNING, "minibroker.client"):
        async with TestBroker(settings=wrong) as broker:
            address = f"127.0.0.1:{broker.runtime.bound[0].port}"
            producer = Producer(address, delivery_timeout_ms=60_000)
            await producer.start()
            delivery = await producer.send("t", b"v")
            await until(lambda: bool(caplog.records))
            with pytest.raises(DeliveryTimeout):
                await producer.flush(10)
            await producer.stop(0)
            assert isinstance(delivery.exception(), Fatal)
    text = caplog.records[0].getMessage()
    assert text.startswith("node 1 cannot be reached at 127.0.0.1:1 (bootstrap server ")
    assert "change advertised.listeners of that broker" in text
