"""Records that are not as they should be: a real Apache Kafka and ours give the same answers.

But for those that only Java gets past, which ours refuses (docs/deviations.md); and everything
that ours stores is read to its end by all clients.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiokafka
import confluent_kafka
import pytest
from minibroker.client import Consumer
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.header import HEADER_BYTES, read_header
from minibroker.protocol.batch.writing import build_batch, packed_anew
from minibroker.protocol.compression import Codec, compress
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.answers.record_shapes import RECORDS, Shape, drawn, malformed
from tests.support.in_loop.requests import create
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.kafka import RealKafka, missing_tools, run_tool
from tests.support.records.plain_records import plain_check

with warnings.catch_warnings():  # kafka-python reads its schemas by a deprecated function
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka as kafka_python

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
DRAWN, SEED = 60, 1
NOT_THERE_YET = (3, 6)  # a topic of Kafka's that has just been created
INVALID, UNKNOWN_ERROR = 87, -1
READ_S = 30
LAST = b"the last record"
SETTLED_S = 30


@pytest.fixture(scope="module")
def brokers() -> Iterator[tuple[str, str]]:
    """Where a real Kafka and ours listen."""
    with RealKafka() as kafka, BrokerProcess() as ours:
        yield kafka.bootstrap_servers, ours.bootstrap_servers


@asynccontextmanager
async def _connected(server: str) -> AsyncIterator[Connection]:
    host, port = server.split(":")
    connection = await Connection.open(host, int(port))
    try:
        yield connection
    finally:
        await connection.close()


async def _answers(server: str, topic: str, batches: list[bytes]) -> list[int]:
    async with _connected(server) as connection:
        await create(connection, topic)
        return [await _answer(connection, topic, batch) for batch in batches]


async def _answer(connection: Connection, topic: str, batch: bytes) -> int:
    part = PartitionProduceData(index=0, records=batch)
    data = [TopicProduceData(name=topic, partition_data=[part])]
    request = ProduceRequest(acks=-1, timeout_ms=5000, topic_data=data)
    until = time.monotonic() + SETTLED_S
    while True:
        response = await connection.request(request, version=8)
        code = int(response.responses[0].partition_responses[0].error_code)
        if code not in NOT_THERE_YET or time.monotonic() > until:
            return code


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _shapes(now_ms: int) -> list[Shape]:
    return [*malformed(now_ms), *drawn(now_ms, DRAWN, SEED)]


async def test_both_give_the_same_answers(brokers: tuple[str, str]) -> None:
    shapes = _shapes(_now_ms())
    batches = [shape.batch for shape in shapes]
    kafka, ours = [await _answers(each, "shapes", batches) for each in brokers]
    different = []
    for shape, theirs, mine in zip(shapes, kafka, ours, strict=True):
        body = shape.batch[HEADER_BYTES:]
        if plain_check(body, RECORDS) is None and plain_check(body, RECORDS, as_kafka=True):
            expected = (0, INVALID)  # cli/deviations.py: records-for-few
        elif theirs == UNKNOWN_ERROR:
            expected = (UNKNOWN_ERROR, INVALID)  # no-records
        else:
            expected = (theirs, theirs)
        if (theirs, mine) != expected:
            different.append((shape.name, theirs, mine))
    assert different == []
    assert kafka[:18] == [INVALID] * 18
    assert kafka.count(0) > 10  # or nothing good was drawn


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
async def test_both_give_the_same_answers_to_compressed_batches(
    codec: Codec, brokers: tuple[str, str]
) -> None:
    shapes = _shapes(_now_ms())
    batches = [
        packed_anew(read_header(shape.batch), codec, compress(codec, shape.batch[HEADER_BYTES:]))
        for shape in shapes
    ]
    topic = f"packed-{codec.name.lower()}"
    kafka, ours = [await _answers(each, topic, batches) for each in brokers]
    different = []
    for shape, theirs, mine in zip(shapes, kafka, ours, strict=True):
        is_good = plain_check(shape.batch[HEADER_BYTES:], RECORDS) is not None
        if mine != (0 if is_good else INVALID) or (theirs != mine and theirs not in (0, -1)):
            different.append((shape.name, theirs, mine))
    assert different == []


async def test_what_ours_stores_every_client_reads_to_its_end(brokers: tuple[str, str]) -> None:
    now_ms = _now_ms()
    batches = [shape.batch for shape in drawn(now_ms, 300, SEED)]
    topic = "readable"
    server = brokers[1]
    codes = await _answers(server, topic, batches)
    count = RECORDS * codes.count(0)
    assert count > 100
    async with _connected(server) as connection:
        assert await _answer(connection, topic, build_batch([(None, LAST, (), now_ms)])) == 0
    assert await asyncio.to_thread(_read_kafka_python, server, topic) == count
    assert await asyncio.to_thread(_read_confluent, server, topic) == count
    assert await _read_aiokafka(server, topic) == count
    assert await _read_ours(server, topic) == count
    assert await asyncio.to_thread(_read_java, server, topic, count) == count


def _read_kafka_python(server: str, topic: str) -> int:
    consumer = kafka_python.KafkaConsumer(bootstrap_servers=server, auto_offset_reset="earliest")
    place = kafka_python.TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek(place, 0)
    until, count = time.monotonic() + READ_S, 0
    try:
        while time.monotonic() < until:
            for record in (each for part in consumer.poll(500).values() for each in part):
                if record.value == LAST:
                    return count
                count += 1
    finally:
        consumer.close()
    return -1


def _read_confluent(server: str, topic: str) -> int:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": server, "group.id": "readable"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    until, count = time.monotonic() + READ_S, 0
    try:
        while time.monotonic() < until:
            message = consumer.poll(0.5)
            if message is None:
                continue
            assert message.error() is None
            if message.value() == LAST:
                return count
            count += 1
    finally:
        consumer.close()
    return -1


async def _read_aiokafka(server: str, topic: str) -> int:
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=server)
    await consumer.start()
    count = 0
    try:
        place = aiokafka.TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        async with asyncio.timeout(READ_S):
            async for record in consumer:
                if record.value == LAST:
                    return count
                count += 1
    finally:
        await consumer.stop()
    return -1


async def _read_ours(server: str, topic: str) -> int:
    count = 0
    async with (
        asyncio.timeout(READ_S),
        Consumer(topic, bootstrap_servers=server, auto_offset_reset="earliest") as consumer,
    ):
        async for record in consumer:
            if record.value == LAST:
                return count
            count += 1
    return -1


def _read_java(server: str, topic: str, count: int) -> int:
    """Kafka's console consumer: how many records it has printed when it has them all."""
    done = run_tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", server, "--topic", topic, "--partition", "0"),
        *("--offset", "earliest", "--max-messages", str(count + 1)),
        *("--formatter-property", "print.offset=true", "--timeout-ms", str(READ_S * 1000)),
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("Offset:")]
    return len(lines) - 1
