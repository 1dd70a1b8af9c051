"""Our producer, with all its options, against our broker and a real Kafka: one file for both.

What it wrote is read by our consumer, by the foreign Python clients and by Kafka's own console
consumer; what the foreign clients wrote is read by ours.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from minibroker.client import Consumer, ConsumerRecord, Fatal, Producer, TopicPartition
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)

from tests.support.processes.broker import BrokerProcess
from tests.support.processes.clients import READERS, WRITERS, codecs_of
from tests.support.processes.kafka import RealKafka, missing_tools

pytestmark = pytest.mark.interop
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
KAFKA = pytest.param(
    RealKafka,
    id="kafka",
    marks=pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
)
MEGABYTE = bytes(range(256)) * 4_000  # with its batch just below 1 MiB
WAIT_S = 60
LARGE_MAX = 5_000
TOPICS = (f"topic-{number}" for number in itertools.count())
Kept = ConsumerRecord[bytes | None, bytes | None]


@pytest.fixture(scope="module", params=[pytest.param(BrokerProcess, id="ours"), KAFKA])
def broker(request: pytest.FixtureRequest) -> Iterator[BrokerProcess | RealKafka]:
    with request.param() as running:
        yield running


@pytest.fixture
def topic() -> str:
    return next(TOPICS)


async def create_topic(
    address: str, topic: str, configs: dict[str, str] | None = None, partitions: int = 1
) -> None:
    """A topic of one partition."""
    host, port = address.split(":")
    created = CreatableTopic(
        name=topic,
        num_partitions=partitions,
        replication_factor=1,
        assignments=[],
        configs=[CreatableTopicConfig(name=n, value=v) for n, v in (configs or {}).items()],
    )
    connection = await Connection.open(host, int(port))
    response = await connection.request(CreateTopicsRequest(topics=[created]))
    await connection.close()
    assert response.topics[0].error_code == 0, response.topics[0].error_message


async def read(address: str, topic: str, partition: int = 0) -> list[Kept]:
    """Everything in a partition."""
    place, kept = TopicPartition(topic, partition), list[Kept]()
    async with Consumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        async with asyncio.timeout(WAIT_S):
            while len(kept) < end:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    kept += records
    return kept


@pytest.mark.parametrize("codec", CODECS)
async def test_every_kind_of_record_comes_back_as_it_was(
    broker: BrokerProcess | RealKafka, topic: str, codec: Any
) -> None:
    address = broker.bootstrap_servers
    headers = [("h", b"1"), ("h", b""), ("none", None), ("ü", b"\xff")]
    sent: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]] = [
        (b"k", b"v", headers),
        (None, None, []),
        (b"", b"", []),
        (b"tombstone", None, []),
        (None, MEGABYTE, []),
        (MEGABYTE[:100_000], b"", headers[:1]),
    ]
    async with Producer(address, compression_type=codec) as producer:
        deliveries = [
            await producer.send(topic, value, key=key, headers=of, partition=0, timestamp_ms=1_234)
            for key, value, of in sent
        ]
        receipts = [await delivery for delivery in deliveries]
    assert receipts == [(topic, 0, offset, 1_234) for offset in range(len(sent))]
    kept = await read(address, topic)
    assert [(each.key, each.value, [*each.headers]) for each in kept] == sent
    assert {each.timestamp for each in kept} == {1_234}


@pytest.mark.parametrize(
    "options",
    [
        {"acks": 0, "enable_idempotence": False},
        {"acks": 1, "enable_idempotence": False, "retries": 3},
        {"acks": "all", "enable_idempotence": False},
        {"linger_ms": 0, "batch_size": 300},
        {"linger_ms": 50, "batch_size": 16_384, "max_in_flight_requests_per_connection": 1},
        {"buffer_memory": 5_000, "batch_size": 1_000},
        {"buffer_memory": 400},
        {"max_request_size": 2_000, "client_id": "ünlike", "allow_auto_create_topics": True},
        {"delivery_timeout_ms": 20_000, "request_timeout_ms": 5_000, "max_block_ms": 20_000},
        {"retry_backoff_ms": 1, "retry_backoff_max_ms": 2, "metadata_max_age_ms": 1},
    ],
    ids=str,
)
async def test_every_option_delivers_in_order(
    broker: BrokerProcess | RealKafka, topic: str, options: dict[str, Any]
) -> None:
    values = [b"%d" % number for number in range(300)]
    async with Producer(broker.bootstrap_servers, **options) as producer:
        deliveries = [await producer.send(topic, value, partition=0) for value in values]
        await producer.flush(WAIT_S * 1_000)
        receipts = [await delivery for delivery in deliveries]
        if options.get("acks") == 0:
            assert {receipt.offset for receipt in receipts} == {-1}
            await producer.partitions_for(topic)
        else:
            assert [receipt.offset for receipt in receipts] == [*range(300)]
    async with asyncio.timeout(WAIT_S):
        while len(kept := await read(broker.bootstrap_servers, topic)) < 300:
            assert options.get("acks") == 0, "acknowledged, and not there"
    assert [each.value for each in kept] == values


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", ["equal", "mixed", "keyed"])
async def test_send_many(
    broker: BrokerProcess | RealKafka, topic: str, codec: Any, kind: str
) -> None:
    address = broker.bootstrap_servers
    await create_topic(address, topic, partitions=3)
    count = 20_000
    values = [b"%06d" % n + b"." * (0 if kind == "equal" else n % 90) for n in range(count)]
    keys = [b"%d" % (n % 50) for n in range(count)] if kind == "keyed" else None
    async with Producer(address, compression_type=codec, batch_size=100_000) as producer:
        receipts = await producer.send_many(topic, values, keys)
    assert len(receipts) == count
    stored = {partition: await read(address, topic, partition) for partition in range(3)}
    for partition, kept in stored.items():
        mine = [(r.offset, v) for r, v in zip(receipts, values, strict=True) if r[1] == partition]
        assert [(each.offset, each.value) for each in kept] == mine
    if keys is not None:
        places = {(key, receipt.partition) for key, receipt in zip(keys, receipts, strict=True)}
        assert len(places) == len({*keys})


async def test_a_batch_that_is_too_large_is_split_until_the_broker_takes_it(
    broker: BrokerProcess | RealKafka, topic: str
) -> None:
    address = broker.bootstrap_servers
    await create_topic(address, topic, {"max.message.bytes": str(LARGE_MAX)})
    values = [b"%04d" % number * 25 for number in range(3_000)]
    async with Producer(address) as producer:
        deliveries = [await producer.send(topic, value) for value in values]
        receipts = await producer.send_many(topic, values)
        for index, delivery in enumerate(deliveries):
            assert (await delivery).offset == index
        assert [receipt.offset for receipt in receipts] == [*range(3_000, 6_000)]
        with pytest.raises(Fatal, match="MESSAGE_TOO_LARGE") as caught:
            await producer.send_and_wait(topic, bytes(LARGE_MAX))
        assert not caught.value.possibly_persisted
        assert (await producer.send_and_wait(topic, b"behind")).offset == 6_000
    assert [each.value for each in await read(address, topic)] == [*values, *values, b"behind"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("codec", CODECS)
async def test_foreign_clients_read_what_ours_wrote(
    broker: BrokerProcess | RealKafka, topic: str, codec: Any, reader: str
) -> None:
    if codec != "none" and codec not in codecs_of(reader):
        pytest.skip(f"{reader} has no {codec} as it is installed here")
    values = [b"%d" % number for number in range(2_000)]
    async with Producer(broker.bootstrap_servers, compression_type=codec) as producer:
        await producer.send_many(topic, values, partition=0)
        await producer.send(topic, b"", partition=0)
        await producer.send(topic, MEGABYTE, partition=0)
    wanted = [*values, b"", MEGABYTE]
    got = await asyncio.to_thread(READERS[reader], broker.bootstrap_servers, topic, len(wanted))
    assert got == wanted


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("codec", CODECS)
async def test_ours_reads_what_foreign_clients_wrote(
    broker: BrokerProcess | RealKafka, topic: str, codec: Any, writer: str
) -> None:
    if codec != "none" and codec not in codecs_of(writer):
        pytest.skip(f"{writer} has no {codec} as it is installed here")
    await create_topic(broker.bootstrap_servers, topic)
    values = [*(b"%d" % number for number in range(2_000)), b""]
    await asyncio.to_thread(WRITERS[writer], broker.bootstrap_servers, topic, values, codec)
    assert [each.value for each in await read(broker.bootstrap_servers, topic)] == values


@pytest.mark.parametrize("codec", CODECS)
async def test_kafkas_console_consumer_reads_what_ours_wrote(
    broker: BrokerProcess | RealKafka, topic: str, codec: Any
) -> None:
    if not isinstance(broker, RealKafka):
        pytest.skip("the Java clients read from our broker in the matrix of clients")
    async with Producer(broker.bootstrap_servers, compression_type=codec) as producer:
        await producer.send(topic, b"v", key=b"k", headers=[("h", b"1"), ("n", None)])
        await producer.send(topic, None, key=b"tombstone")
        await producer.send(topic, b"")
    done = await asyncio.to_thread(
        broker.tool,
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", broker.bootstrap_servers, "--topic", topic, "--from-beginning"),
        *("--max-messages", "3", "--timeout-ms", "30000"),
        *("--formatter-property", "print.key=true", "--formatter-property", "print.headers=true"),
    )
    assert done.stdout == "h:1,n:null\tk\tv\nNO_HEADERS\ttombstone\tnull\nNO_HEADERS\tnull\t\n"
