"""EDGE: what an acknowledgement waits for under durability=fsync, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from minibroker.broker.limits import SYNC_ALL_FROM_FILES
from minibroker.broker.runtime import Runtime
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import (
    RawConnection,
    connect,
    request_frame,
    running_broker,
)
from tests.support.worlds.flushes import HeldFlushes, world_with

PRODUCE = 0


def produce(sequence: int) -> ProduceRequest:
    batch = build_batch(
        [(None, b"v", (), 1_700_000_000_000)],
        producer_id=7,
        producer_epoch=0,
        base_sequence=sequence,
    )
    part = PartitionProduceData(index=0, records=batch)
    return ProduceRequest(
        acks=-1,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name="t", partition_data=[part])],
    )


@asynccontextmanager
async def broker_with_topic(
    flushes: HeldFlushes, tmp_path: Path
) -> AsyncIterator[tuple[Runtime, Connection]]:
    async with running_broker(tmp_path, world=world_with(flushes)) as runtime:
        connection = await connect(runtime)
        asked = [MetadataRequestTopic(name="t")]
        response = await connection.request(MetadataRequest(topics=asked))
        assert response.topics[0].error_code == 0
        try:
            yield runtime, connection
        finally:
            flushes.release()
            await connection.close()


def appended(runtime: Runtime, end_offset: int) -> Callable[[], bool]:
    def holds() -> bool:
        partition = runtime.broker.partitions.get(("t", 0))
        return partition is not None and partition.log.log_end_offset == end_offset

    return holds


def outcome(response: Any) -> tuple[int, int]:
    answer = response.responses[0].partition_responses[0]
    return answer.error_code, answer.base_offset


async def test_an_acknowledgement_waits_for_the_flush(tmp_path: Path) -> None:
    flushes = HeldFlushes()
    async with broker_with_topic(flushes, tmp_path) as (runtime, connection):
        flushes.hold()
        waiting = asyncio.create_task(connection.request(produce(0)))
        await until(appended(runtime, 1))
        assert runtime.broker.partitions["t", 0].high_watermark == 0, "readers do not see it yet"
        assert not waiting.done()
        flushes.release()
        assert outcome(await waiting) == (0, 0)
        assert runtime.broker.partitions["t", 0].high_watermark == 1


async def test_a_retry_is_never_acknowledged_before_the_original(tmp_path: Path) -> None:
    flushes = HeldFlushes()
    async with broker_with_topic(flushes, tmp_path) as (runtime, connection):
        other = await connect(runtime)
        flushes.hold()
        original = asyncio.create_task(connection.request(produce(0)))
        await until(appended(runtime, 1))
        retry = asyncio.create_task(other.request(produce(0)))
        await other_turns(runtime)
        assert not retry.done()
        flushes.release()
        assert outcome(await original) == (0, 0)
        assert outcome(await retry) == (0, 0)
        assert runtime.broker.partitions["t", 0].log.log_end_offset == 1
        await other.close()


async def test_appends_go_on_during_a_flush_and_share_the_next(tmp_path: Path) -> None:
    flushes = HeldFlushes()
    async with broker_with_topic(flushes, tmp_path) as (runtime, _):
        raw = await RawConnection.open(runtime)
        flushes.hold()
        raw.send(request_frame(produce(0), 5, 0))
        await until(appended(runtime, 1))
        before = flushes.count
        for sequence in range(1, 20):
            raw.send(request_frame(produce(sequence), 5, sequence))
        await until(appended(runtime, 20))
        flushes.release()
        for number in range(20):
            correlation_id, response = await raw.response(PRODUCE, 5)
            assert correlation_id == number
            assert outcome(response) == (0, number)
        assert flushes.count - before <= 2 + 1, "one flush for the first, one for all the others"
        await raw.close()


async def test_a_fetch_sees_only_what_is_durable(tmp_path: Path) -> None:
    flushes = HeldFlushes()
    async with broker_with_topic(flushes, tmp_path) as (runtime, connection):
        part = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=2**20)
        fetch = FetchRequest(
            max_wait_ms=60_000,
            min_bytes=1,
            max_bytes=2**20,
            topics=[FetchTopic(topic="t", partitions=[part])],
            forgotten_topics_data=[],
        )
        reader = await connect(runtime)
        waiting = asyncio.create_task(reader.request(fetch))
        await until(lambda: runtime.broker.parked.next_deadline_ms() is not None)
        flushes.hold()
        written = asyncio.create_task(connection.request(produce(0)))
        await until(appended(runtime, 1))
        await other_turns(runtime)
        assert not waiting.done()
        flushes.release()
        response = await waiting
        assert response.responses[0].partitions[0].high_watermark == 1
        assert response.responses[0].partitions[0].records
        await written
        await reader.close()


async def test_a_failed_flush_refuses_all_who_wait_and_ends_the_broker(tmp_path: Path) -> None:
    flushes = HeldFlushes()
    async with broker_with_topic(flushes, tmp_path) as (runtime, connection):
        raw = await RawConnection.open(runtime)
        flushes.hold()
        for sequence in range(3):
            raw.send(request_frame(produce(sequence), 5, sequence))
        await until(appended(runtime, 3))
        asked_id = asyncio.create_task(
            connection.request(
                InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1)
            )
        )
        assert (await asked_id).error_code == 0, "its block is durable already"
        flushes.fail("Input/output error")
        flushes.release()
        for _ in range(3):
            _, response = await raw.response(PRODUCE, 5)
            assert outcome(response) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
        await asyncio.wait_for(asyncio.shield(runtime.failed), 5)
        assert "Input/output error" in str(runtime.failed.result())
        assert runtime.broker.partitions["t", 0].high_watermark == 0
        await raw.close()


async def test_a_deletion_that_cannot_be_flushed_is_not_answered_and_ends_the_broker(
    tmp_path: Path,
) -> None:
    flushes = HeldFlushes()
    async with broker_with_topic(flushes, tmp_path) as (runtime, connection):
        flushes.fail("Input/output error")
        topic = DeleteTopicState(name="t")
        request = DeleteTopicsRequest(topics=[topic], timeout_ms=1000)
        asked = asyncio.create_task(connection.request(request))
        await asyncio.wait_for(asyncio.shield(runtime.failed), 5)
        assert "Input/output error" in str(runtime.failed.result())
        await other_turns(runtime)
        assert not asked.done()
        asked.cancel()


async def other_turns(runtime: Runtime) -> None:
    """Let another client be served, so that everything that was due has happened."""
    other = await connect(runtime)
    await other.request(MetadataRequest(topics=[]))
    await other.close()


def produce_to(*indexes: int) -> ProduceRequest:
    batch = build_batch([(None, b"v", (), 1_700_000_000_000)])
    parts = [PartitionProduceData(index=index, records=batch) for index in indexes]
    return ProduceRequest(
        acks=-1,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name="t", partition_data=parts)],
    )


@asynccontextmanager
async def partitions_written(
    flushes: HeldFlushes, tmp_path: Path, count: int
) -> AsyncIterator[Runtime]:
    """A topic with so many partitions, and something in each."""
    settings = {"num.partitions": str(count)}
    async with running_broker(tmp_path, settings, world_with(flushes)) as runtime:
        connection = await connect(runtime)
        asked = [MetadataRequestTopic(name="t")]
        await connection.request(MetadataRequest(topics=asked))
        await connection.request(produce_to(*range(count)))
        await connection.close()
        try:
            yield runtime
        finally:
            flushes.release()


async def test_the_files_of_a_round_are_flushed_side_by_side(tmp_path: Path) -> None:
    flushes, count = HeldFlushes(), SYNC_ALL_FROM_FILES - 1
    async with partitions_written(flushes, tmp_path, count) as runtime:
        connection = await connect(runtime)
        flushes.hold()
        answer = asyncio.ensure_future(connection.request(produce_to(*range(count))))
        await until(lambda: len(flushes.waiting) == count)
        flushes.release()
        assert len((await answer).responses[0].partition_responses) == count
        await connection.close()


async def test_sixty_four_busy_partitions_share_one_flush(tmp_path: Path) -> None:
    flushes = HeldFlushes()
    async with partitions_written(flushes, tmp_path, 64) as runtime:
        connections = [await connect(runtime) for _ in range(64)]
        flushes.hold()
        first = asyncio.ensure_future(connections[0].request(produce_to(0)))
        await until(lambda: len(flushes.waiting) == 1)
        rest = [
            asyncio.ensure_future(each.request(produce_to(index)))
            for index, each in enumerate(connections)
        ]
        partitions = runtime.broker.partitions
        await until(lambda: all(each.log.log_end_offset >= 2 for each in partitions.values()))
        count = flushes.count
        flushes.release()
        answers = await asyncio.gather(first, *rest)
        assert {each.responses[0].partition_responses[0].error_code for each in answers} == {0}
        assert flushes.count == count + 2, "the one that was held, and one for all the others"
        for connection in connections:
            await connection.close()
