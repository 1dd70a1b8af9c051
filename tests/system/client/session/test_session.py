"""A producer with a durable session: what is told, refused, kept and gone on with."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from minibroker.client import (
    Admin,
    ClientError,
    DeliveryTimeout,
    ErrorCode,
    Fatal,
    Producer,
    SessionInUse,
)
from minibroker.testing import TestBroker

DAY_MS = 86_400_000
WAIT_S = 30.0
KEYED: list[dict[str, Any]] = [{}, {"key": b"k"}]  # the short way through send, and the long one


@pytest.fixture
async def broker() -> AsyncIterator[TestBroker]:
    async with TestBroker() as each:
        yield each


def values(broker: TestBroker, topic: str = "t") -> list[bytes]:
    return [record.value or b"" for record in broker.records(topic)]


def producer(broker: TestBroker, directory: Path, **options: Any) -> Producer:
    return Producer(broker.bootstrap_servers, session=str(directory), **options)


async def test_marks_are_there_in_the_next_process(broker: TestBroker, tmp_path: Path) -> None:
    async with producer(broker, tmp_path / "s") as one:
        assert not one.session.marks
        await one.send("t", b"1", mark=("file", 10))
        await one.send("t", b"2", key=b"k", mark="only")
        await one.send_and_wait("t", b"3", mark=("file", b"\0"))
    async with producer(broker, tmp_path / "s") as two:
        assert dict(two.session.marks) == {"file": b"\0", None: "only"}
        await two.send("t", b"4")
    assert sorted(values(broker)) == [b"1", b"2", b"3", b"4"]
    ids = {record.producer_id for record in broker.records("t")}
    assert len(ids) == 2, "what is new goes under a producer id of its own"


async def test_stopped_without_a_broker_it_goes_on_later(
    broker: TestBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = producer(broker, tmp_path / "s")
    await one.start()
    await one.send_and_wait("t", b"1", mark=1)
    await broker.kill()
    delivery = await one.send("t", b"2", mark=2)
    with caplog.at_level(logging.WARNING):
        await one.stop(0)
    assert "stay open in the session" in caplog.text
    with pytest.raises(Fatal, match="it stays open, in the session") as caught:
        await delivery
    assert caught.value.possibly_persisted
    await broker.restart()
    async with producer(broker, tmp_path / "s") as two:
        assert two.session.marks[None] == 2
        await two.send_and_wait("t", b"3")
    assert values(broker) == [b"1", b"2", b"3"]


async def test_past_its_time_a_record_is_open_and_goes_on(
    broker: TestBroker, tmp_path: Path
) -> None:
    options = {"delivery_timeout_ms": 500, "retry_backoff_max_ms": 20}
    async with producer(broker, tmp_path / "s", **options) as one:
        await one.send_and_wait("t", b"1")
        broker.faults.error("Produce", ErrorCode.NOT_ENOUGH_REPLICAS, times=1_000)
        delivery = await one.send("t", b"2")
        with pytest.raises(DeliveryTimeout, match="open, in the session: it goes on"):
            await delivery
        with pytest.raises(DeliveryTimeout, match="open, in the session: they go on"):
            await one.flush(50)
        waiting = [asyncio.create_task(one.flush(10 * WAIT_S * 1000)) for _ in range(2)]
        await asyncio.sleep(0)  # both wait
        broker.faults.clear()
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*waiting)
        assert (await delivery).offset == 1
        async with asyncio.timeout(WAIT_S):
            for _ in range(100):  # one behind it, whose own time is as short, is stored behind it
                with suppress(DeliveryTimeout):
                    await one.send_and_wait("t", b"3")
                    break
        assert (await delivery).offset == 1
    assert values(broker)[:3] == [b"1", b"2", b"3"]


async def test_a_process_waits_for_what_another_has_left_however_long_its_start_takes(
    broker: TestBroker, tmp_path: Path
) -> None:
    options = {"delivery_timeout_ms": 500, "retry_backoff_max_ms": 20}
    one = producer(broker, tmp_path / "s", **options)
    await one.start()
    await one.send_and_wait("t", b"1")
    broker.faults.error("Produce", ErrorCode.NOT_ENOUGH_REPLICAS, times=1_000)
    await one.send("t", b"2")
    await one.stop(50)
    broker.faults.error("InitProducerId", ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, times=50)
    async with producer(broker, tmp_path / "s", **options) as two:
        with pytest.raises(DeliveryTimeout, match="open, in the session"):
            await two.flush()
        broker.faults.clear()
        await two.flush(WAIT_S * 1000)
    assert values(broker) == [b"1", b"2"]


async def test_refused_for_good_it_is_kept_until_it_is_taken(
    broker: TestBroker, tmp_path: Path
) -> None:
    async with Admin(broker.bootstrap_servers) as admin:
        await admin.create_topic("t", configs={"max.message.bytes": "200"})
    async with producer(broker, tmp_path / "s") as one:
        await one.send("t", b"small", mark=1)
        delivery = await one.send("t", b"x" * 1_000, mark=2)
        await one.send("t", b"behind", mark=3)
        with pytest.raises(Fatal, match="MESSAGE_TOO_LARGE"):
            await delivery
        await one.flush()
    async with producer(broker, tmp_path / "s") as two:
        (refused,) = two.session.refused
        assert b"x" * 1_000 in refused.batch.wire
        assert refused.code == ErrorCode.MESSAGE_TOO_LARGE
        assert await two.session.take_refused() == [refused]
        assert two.session.refused == ()
    async with producer(broker, tmp_path / "s") as three:
        assert three.session.refused == ()
    assert values(broker) == [b"small", b"behind"]


async def test_left_by_an_exception_it_keeps_what_was_sent(
    broker: TestBroker, tmp_path: Path
) -> None:
    with pytest.raises(LookupError):
        await fail_within(producer(broker, tmp_path / "s", linger_ms=60_000))
    async with producer(broker, tmp_path / "s") as two:
        assert two.session.marks[None] == 20
        await two.send_and_wait("t", b"20")
    assert values(broker) == [b"%d" % n for n in range(21)]


async def fail_within(one: Producer) -> None:
    async with one:
        for number in range(20):
            await one.send("t", b"%d" % number, mark=number + 1)
        raise LookupError


async def test_a_directory_has_one_owner(broker: TestBroker, tmp_path: Path) -> None:
    async with producer(broker, tmp_path / "s"):
        second = producer(broker, tmp_path / "s")
        with pytest.raises(SessionInUse):
            await second.start()
        await second.stop()


async def test_a_start_that_failed_may_be_repeated(broker: TestBroker, tmp_path: Path) -> None:
    one = producer(broker, tmp_path / "s")
    await broker.kill()
    with pytest.raises(ClientError):
        await one.start()
    await broker.restart()
    await one.start()
    await one.send_and_wait("t", b"1")
    await one.stop()
    assert values(broker) == [b"1"]


REFUSED_OPTIONS = [
    ({"acks": 1}, "leave acks out"),
    ({"acks": 0, "enable_idempotence": False}, "needs enable_idempotence"),
    ({"retries": 3}, "leave retries out"),
    ({"session": ""}, "session is empty"),
    ({"session": None, "session_durability": "page-cache"}, "without a session"),
    ({"session_durability": "memory"}, "expected one of fsync, page-cache"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED_OPTIONS)
async def test_options_that_would_break_the_promise(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Producer(**{"session": "s", **options})


async def test_records_older_than_brokers_remember_are_refused(
    broker: TestBroker, tmp_path: Path
) -> None:
    now_ms = time.time() * 1000
    async with producer(broker, tmp_path / "s") as one:
        with pytest.raises(ValueError, match="put the time into a header"):
            await one.send("t", b"old", timestamp_ms=now_ms - DAY_MS)
        with pytest.raises(ValueError, match="put the time into a header"):
            await one.send_many("t", [b"old"], timestamps=[now_ms - DAY_MS])
        with pytest.raises(ValueError, match="put the time into a header"):
            await one.send_many("t", [b"old"], timestamp_ms=now_ms - DAY_MS)
        await one.send_and_wait("t", b"young", timestamp_ms=now_ms - 1_000)
    assert values(broker) == [b"young"]


async def test_the_broker_s_own_expiry_counts(tmp_path: Path) -> None:
    settings = {"producer.id.expiration.ms": 600_000}
    async with TestBroker(settings=settings) as broker, producer(broker, tmp_path / "s") as one:
        with pytest.raises(ValueError, match="up to 300 s"):
            await one.send("t", b"old", timestamp_ms=time.time() * 1000 - 400_000)


@pytest.mark.parametrize("mark", [1.5, ("a",), (1, 2), ("a", True), ("a", None), ("a", "b", "c")])
async def test_marks_that_cannot_be(broker: TestBroker, tmp_path: Path, mark: Any) -> None:
    async with producer(broker, tmp_path / "s") as one:
        await one.send_and_wait("t", b"1")
        for options in KEYED:
            with pytest.raises(TypeError, match="mark"):
                await one.send("t", b"2", mark=mark, **options)
    assert values(broker) == [b"1"]


async def test_marks_need_a_session(broker: TestBroker) -> None:
    async with Producer(broker.bootstrap_servers) as one:
        await one.send_and_wait("t", b"1")
        for options in KEYED:
            with pytest.raises(RuntimeError, match="session=DIRECTORY"):
                await one.send("t", b"2", mark=1, **options)
        with pytest.raises(RuntimeError, match="session=DIRECTORY"):
            _ = one.session
    assert values(broker) == [b"1"]


async def test_before_its_start_there_is_no_session(tmp_path: Path) -> None:
    one = Producer("127.0.0.1:1", session=str(tmp_path / "s"))
    with pytest.raises(RuntimeError, match="start the producer first"):
        _ = one.session.marks
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("partition", [0, None])
async def test_a_batch_that_begins_is_not_taken_along_by_the_cut_of_a_full_one(
    broker: TestBroker, tmp_path: Path, partition: int | None
) -> None:
    options = {"batch_size": 4_000, "linger_ms": 60_000, "session_durability": "page-cache"}
    async with producer(broker, tmp_path / "s", **options) as one:
        await one.send_and_wait("t", b"first", partition=partition)
        deliveries = []
        for number in range(8):
            deliveries.append(await one.send("t", b"x" * 984, partition=partition, mark=number))
            await asyncio.sleep(0)
        await one.flush()
    batches = {id(delivery._batch) for delivery in deliveries}
    assert len(batches) == 2, "four records each"
