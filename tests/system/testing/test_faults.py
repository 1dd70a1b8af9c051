"""Every action at the instants where it makes sense, as a client and the log see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from minibroker.broker.storage.port import StorageError
from minibroker.client.cluster.connection import Connection, ConnectionFailed
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing import TestBroker

from tests.support.in_loop.requests import fetch

WAIT_S = 5.0
Stage = Literal["append", "appended", "flushed"]
STAGES: list[Stage] = ["append", "appended", "flushed"]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[TestBroker]:
    async with TestBroker(data_dir=tmp_path / "data", durability="fsync") as made:
        made.create_topic("t", 2)
        yield made


async def connect(broker: TestBroker, client_id: str = "test") -> Connection:
    return await Connection.open("127.0.0.1", broker.port, client_id=client_id)


@pytest.fixture
async def client(broker: TestBroker) -> AsyncIterator[Connection]:
    connection = await connect(broker)
    yield connection
    await connection.close()


def produce(number: int, *, partitions: tuple[int, ...] = (0,), acks: int = -1) -> ProduceRequest:
    """The `number`-th record of producer 7, to each of some partitions."""
    batch = build_batch(
        [(b"k%d" % number, b"v%d" % number, (), 1_700_000_000_000)],
        producer_id=7,
        producer_epoch=0,
        base_sequence=number,
    )
    data = [PartitionProduceData(index=index, records=batch) for index in partitions]
    topic = TopicProduceData(name="t", partition_data=data)
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=[topic])


async def ask(client: Connection, message: Any) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await client.request(message)


async def codes(client: Connection, message: ProduceRequest) -> dict[int, int]:
    """The error of each partition."""
    response = await ask(client, message)
    return {each.index: each.error_code for each in response.responses[0].partition_responses}


def values(broker: TestBroker) -> list[bytes | None]:
    return [record.value for record in broker.records("t") if record.partition == 0]


async def test_without_rules_nothing_changes(broker: TestBroker, client: Connection) -> None:
    for number in range(3):
        assert await codes(client, produce(number)) == {0: 0}
    broker.assert_stored_once("t", [b"v0", b"v1", b"v2"])
    outcomes = [each.outcome for each in broker.history("test") if each.api == "Produce"]
    assert outcomes == ["answered"] * 3


async def test_a_lost_reply_leaves_the_record_and_closes(
    broker: TestBroker, client: Connection
) -> None:
    lost = broker.faults.lose_reply("Produce", topic="t", nth=2)
    assert await codes(client, produce(0)) == {0: 0}
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(1))
    assert (lost.matched, lost.fired) == (2, 1)
    again = await connect(broker)
    response = await ask(again, produce(1))
    assert response.responses[0].partition_responses[0].base_offset == 1
    await again.close()
    broker.assert_stored_once("t", [b"v0", b"v1"])
    broker.faults.assert_all_fired()


async def test_a_rule_names_the_topic_of_a_request_that_has_only_its_id(
    broker: TestBroker, client: Connection
) -> None:
    asked = MetadataRequest(topics=[MetadataRequestTopic(name="t")])
    topic_id = (await ask(client, asked)).topics[0].topic_id
    refused = broker.faults.error("Produce", code=6, at="append", topic="t", partition=1)
    message = produce(0, partitions=(0, 1))
    message.topic_data[0].name, message.topic_data[0].topic_id = "", topic_id
    async with asyncio.timeout(WAIT_S):
        response = await client.request(message, version=13)
    (told,) = response.responses
    assert told.topic_id == topic_id
    assert {each.index: each.error_code for each in told.partition_responses} == {0: 0, 1: 6}
    assert refused.fired == 1
    assert "t-1 pid 7" in broker.history("test")[-1].about


async def test_silence_swallows_every_later_answer(broker: TestBroker, client: Connection) -> None:
    lost = broker.faults.lose_reply("Produce", then="silence", times=1)
    asked = [asyncio.create_task(client.request(each)) for each in (produce(0), fetch())]
    await lost.until_fired()
    lost.release()
    asked.append(asyncio.create_task(client.request(produce(1))))
    await broker.until(lambda: values(broker) == [b"v0", b"v1"], timeout_s=WAIT_S)
    await broker.until(lambda: broker.history("test")[-1].outcome == "swallowed")
    assert not any(task.done() for task in asked)
    client.abort()
    await asyncio.gather(*asked, return_exceptions=True)


@pytest.mark.parametrize("bytes_sent", [0, 6, 10_000])
async def test_a_torn_reply_never_arrives_whole(
    broker: TestBroker, client: Connection, bytes_sent: int
) -> None:
    torn = broker.faults.tear_reply("Produce", bytes_sent=bytes_sent)
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(0))
    assert torn.fired == 1
    assert values(broker) == [b"v0"]


@pytest.mark.parametrize("at", ["request", "append", "appended", "flushed", "reply"])
async def test_a_barrier_holds_until_released(
    broker: TestBroker, client: Connection, at: Any
) -> None:
    held = broker.faults.hold("Produce", at=at, topic="t")
    asked = asyncio.create_task(client.request(produce(0)))
    later = asyncio.create_task(client.request(produce(1)))
    await held.reached(timeout_s=WAIT_S)
    written = [b"v0"] if at in ("appended", "flushed", "reply") else []
    partition = broker.runtime.broker.partition("t", 0)
    assert partition is not None
    assert min(partition.log.log_end_offset, 1) == len(written)
    assert not asked.done()
    held.release()
    async with asyncio.timeout(WAIT_S):
        first, second = await asyncio.gather(asked, later)
    offsets = [each.responses[0].partition_responses[0].base_offset for each in (first, second)]
    assert offsets == [0, 1]


async def test_at_flushed_the_record_is_readable_and_before_it_is_not(
    broker: TestBroker, client: Connection
) -> None:
    held = broker.faults.hold(at="flushed", topic="t")
    asked = asyncio.create_task(client.request(produce(0)))
    await held.reached()
    assert values(broker) == [b"v0"]
    held.release()
    await asked


async def test_a_barrier_at_accept_holds_the_first_request(broker: TestBroker) -> None:
    held = broker.faults.hold(at="accept")
    connecting = asyncio.create_task(connect(broker))
    await held.reached()
    assert not connecting.done()
    held.release()
    await (await connecting).close()


async def test_a_connection_can_be_refused(broker: TestBroker) -> None:
    broker.faults.disconnect(at="accept", times=1)
    with pytest.raises(ConnectionFailed):
        await connect(broker)
    await (await connect(broker)).close()


@pytest.mark.parametrize("at", ["request", "append"])
async def test_an_error_instead_of_the_work(
    broker: TestBroker, client: Connection, at: Any
) -> None:
    broker.faults.error("Produce", "NOT_LEADER_OR_FOLLOWER", at=at, times=1)
    assert await codes(client, produce(0)) == {0: ErrorCode.NOT_LEADER_OR_FOLLOWER}
    assert values(broker) == []
    assert await codes(client, produce(0)) == {0: 0}


async def test_an_error_after_the_work(broker: TestBroker, client: Connection) -> None:
    broker.faults.error("Produce", "REQUEST_TIMED_OUT", at="reply", times=1)
    assert await codes(client, produce(0)) == {0: ErrorCode.REQUEST_TIMED_OUT}
    assert await codes(client, produce(0)) == {0: 0}
    assert values(broker) == [b"v0"]


async def test_an_error_for_one_partition_leaves_its_neighbour_alone(
    broker: TestBroker, client: Connection
) -> None:
    error = ErrorCode.KAFKA_STORAGE_ERROR
    broker.faults.error("Produce", error, at="append", partition=1, topic="t")
    assert await codes(client, produce(0, partitions=(0, 1))) == {0: 0, 1: error}
    assert [record.partition for record in broker.records("t")] == [0]


async def test_an_error_without_acks_closes(broker: TestBroker, client: Connection) -> None:
    broker.faults.error("Produce", "NOT_LEADER_OR_FOLLOWER", at="append")
    written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    client.send_unanswered(produce(0, acks=0), written)
    await written
    with pytest.raises(ConnectionFailed):
        await ask(client, MetadataRequest(topics=[]))


async def test_a_retry_is_not_appended_again(broker: TestBroker, client: Connection) -> None:
    appended = broker.faults.delay(delay_ms=0, at="appended", topic="t")
    append = broker.faults.delay(delay_ms=0, at="append", topic="t")
    for _ in range(2):
        assert await codes(client, produce(0)) == {0: 0}
    assert (append.fired, appended.fired) == (1, 1)


@pytest.mark.parametrize("at", ["request", *STAGES])
async def test_a_disconnect_leaves_what_was_done(
    broker: TestBroker, client: Connection, at: Any
) -> None:
    broker.faults.disconnect("Produce", at=at)
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(0))
    await broker.until(lambda: len(values(broker)) == (at in ("appended", "flushed")))


async def test_a_request_handled_twice(broker: TestBroker, client: Connection) -> None:
    twice = broker.faults.handle_twice("Produce", times=1)
    assert await codes(client, produce(0)) == {0: 0}
    assert (twice.fired, values(broker)) == (1, [b"v0"])


async def test_a_doubled_request_without_a_producer_id_is_stored_twice(
    broker: TestBroker, client: Connection
) -> None:
    broker.faults.handle_twice("Produce")
    batch = build_batch([(None, b"x", (), 1_700_000_000_000)])
    data = PartitionProduceData(index=0, records=batch)
    topic = TopicProduceData(name="t", partition_data=[data])
    await ask(client, ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic]))
    with pytest.raises(AssertionError, match=r"stored too often, by 1: b'x' at 0@0, 0@1"):
        broker.assert_stored_once("t", [b"x"])


@pytest.mark.parametrize("at", ["request", "append", "appended", "flushed", "reply"])
async def test_a_crash_leaves_what_was_written(
    broker: TestBroker, client: Connection, at: Any
) -> None:
    crash = broker.faults.crash("Produce", at=at)
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(0))
    await broker.ended()
    assert not broker.is_running
    await broker.restart()
    assert crash.fired == 1
    assert values(broker) == ([b"v0"] if at in ("appended", "flushed", "reply") else [])
    again = await connect(broker)
    assert await codes(again, produce(0)) == {0: 0}
    await again.close()
    assert values(broker) == [b"v0"]


async def test_a_crash_without_disk_keeps_what_was_written() -> None:
    async with TestBroker() as broker:
        broker.create_topic("t")
        client = await connect(broker)
        assert await codes(client, produce(0)) == {0: 0}
        await broker.kill()
        port = broker.port
        await broker.restart()
        assert (broker.port, values(broker)) == (port, [b"v0"])


async def test_what_was_acknowledged_survives_the_loss_of_power() -> None:
    async with TestBroker(durability="fsync") as broker:
        broker.create_topic("t")
        client = await connect(broker)
        for number in range(5):
            assert await codes(client, produce(number)) == {0: 0}
        await broker.lose_power()
        await broker.restart()
        assert values(broker) == [b"v%d" % number for number in range(5)]


async def test_power_can_be_lost_on_the_simulated_disk_only(broker: TestBroker) -> None:
    with pytest.raises(RuntimeError, match="give no data_dir"):
        await broker.lose_power()


async def test_a_full_disk_refuses_and_recovers(broker: TestBroker, client: Connection) -> None:
    assert await codes(client, produce(0)) == {0: 0}
    full = broker.faults.disk_full(after_bytes=100, path="t-0/*.log")
    assert await codes(client, produce(1)) == {0: 0}
    assert await codes(client, produce(2)) == {0: ErrorCode.KAFKA_STORAGE_ERROR}
    full.release()
    assert await codes(client, produce(2)) == {0: 0}
    assert values(broker) == [b"v0", b"v1", b"v2"]


async def test_a_shortened_write_is_cut_back(broker: TestBroker, client: Connection) -> None:
    assert await codes(client, produce(0)) == {0: 0}
    broker.faults.shorten_write(20, path="t-0/*.log", times=1)
    assert await codes(client, produce(1)) == {0: ErrorCode.KAFKA_STORAGE_ERROR}
    assert await codes(client, produce(1)) == {0: 0}
    assert values(broker) == [b"v0", b"v1"]


async def test_a_crash_in_the_middle_of_a_write_leaves_a_torn_end(
    broker: TestBroker, client: Connection, tmp_path: Path
) -> None:
    assert await codes(client, produce(0)) == {0: 0}
    log = tmp_path / "data" / "t-0" / f"{0:020}.log"
    whole = log.stat().st_size
    broker.faults.shorten_write(20, then="crash", path="t-0/*.log", times=1)
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(1))
    assert log.stat().st_size == whole + 20
    await broker.restart()
    assert values(broker) == [b"v0"]


async def test_a_disk_that_cannot_be_read(broker: TestBroker, client: Connection) -> None:
    assert await codes(client, produce(0)) == {0: 0}
    broker.faults.disk_error(at="read", path="t-0/*")
    response = await ask(client, fetch())
    assert response.responses[0].partitions[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR


async def test_a_failed_flush_ends_the_broker(broker: TestBroker, client: Connection) -> None:
    broker.faults.disk_error(at="flush", path="t-0/*", times=1)
    assert await codes(client, produce(0)) == {0: ErrorCode.KAFKA_STORAGE_ERROR}
    await broker.ended()
    assert isinstance(broker.runtime.failed.result(), StorageError)


async def test_a_crash_after_a_flush_keeps_the_record(
    broker: TestBroker, client: Connection
) -> None:
    crash = broker.faults.crash(at="flush", path="t-0/*.log", side="after")
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(0))
    await broker.restart()
    assert (crash.fired, values(broker)) == (1, [b"v0"])


async def test_only_requests_in_the_scope_are_touched(
    broker: TestBroker, client: Connection
) -> None:
    other = await connect(broker, "other")
    mine = broker.faults.error("Produce", "REQUEST_TIMED_OUT", client_id="other")
    keyed = broker.faults.error("Produce", "INVALID_RECORD", key=b"k1", topic="t")
    assert await codes(client, produce(0)) == {0: 0}
    assert await codes(client, produce(1)) == {0: ErrorCode.INVALID_RECORD}
    assert await codes(other, produce(1)) == {0: ErrorCode.REQUEST_TIMED_OUT}
    assert (mine.fired, keyed.fired) == (1, 1)
    await other.close()


async def test_history_says_what_became_of_each_request(
    broker: TestBroker, client: Connection
) -> None:
    broker.faults.error("Produce", "NOT_LEADER_OR_FOLLOWER", nth=1)
    broker.faults.lose_reply("Produce", nth=2)
    await codes(client, produce(0))
    with pytest.raises(ConnectionFailed):
        await ask(client, produce(0))
    seen = [(each.about, each.outcome) for each in broker.history("test") if each.about]
    assert seen == [
        ("t-0 pid 7 epoch 0 sequence 0 (1 record)", "answered NOT_LEADER_OR_FOLLOWER"),
        ("t-0 pid 7 epoch 0 sequence 0 (1 record)", "answer lost"),
    ]


async def test_an_idle_rule_is_named(broker: TestBroker) -> None:
    broker.faults.lose_reply("Produce", topic="t", nth=2)
    with pytest.raises(AssertionError, match=r"lose_reply\(.*nth=2.*fired 0 of 0 matches"):
        broker.faults.assert_all_fired()


async def test_starting_takes_less_than_50_ms() -> None:
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(5):
        began = loop.time()
        async with TestBroker():
            took.append(loop.time() - began)
    assert min(took) < 0.05


async def test_who_waits_for_records_is_woken_where_no_fault_is_armed() -> None:
    async with TestBroker() as broker:  # in memory: no flush tells of them
        broker.create_topic("t")
        waiting = asyncio.create_task(broker.consume("t", timeout_s=WAIT_S))
        await asyncio.sleep(0)
        await broker.produce("t", b"a")
        assert [each.value for each in await waiting] == [b"a"]
