"""A user's program, to see what a type checker makes of it; never run (test_types.py)."""

from __future__ import annotations

from typing import assert_type

from minibroker.client import (
    ClientError,
    Consumer,
    ConsumerRecord,
    Delivery,
    Producer,
    Receipts,
    RecordMetadata,
    TopicPartition,
)


def to_bytes(number: int) -> bytes:
    return b"%d" % number


async def send() -> None:
    async with Producer("127.0.0.1:9092", linger_ms=0, compression_type="zstd") as producer:
        assert_type(producer, Producer[bytes, bytes])
        receipt = await producer.send_and_wait("t", b"v", key=b"k", headers=[("h", None)])
        assert_type(receipt, RecordMetadata)
        assert_type(receipt.offset, int)
        delivery = await producer.send("t", None)
        assert_type(delivery, Delivery)
        assert_type(await delivery, RecordMetadata)
        receipts = await producer.send_many("t", [b"a", None], keys=[None, b"k"])
        assert_type(receipts, Receipts)
        assert_type(receipts[0].partition, int)
        assert_type([each.timestamp for each in receipts], list[int])
        assert_type(await producer.partitions_for("t"), list[int])
        await producer.send("t", "text")  # type: ignore[arg-type]
        await producer.send_many("t", ["text"])  # type: ignore[list-item]
        await producer.flush(timeout_ms=5)


async def send_typed() -> None:
    producer = Producer("x:1", key_serializer=str.encode, value_serializer=to_bytes)
    assert_type(producer, Producer[str, int])
    try:
        await producer.send("t", 7, key="k")
    except ClientError as error:
        assert_type(error.possibly_persisted, bool)
        assert_type(error.code.name, str)
        assert_type(error.reason, str | None)
        for outcome in error.outcomes:
            assert_type(outcome, RecordMetadata | ClientError)
    await producer.send("t", b"v")  # type: ignore[arg-type]
    await producer.send("t", 7, key=b"k")  # type: ignore[arg-type]
    Producer(acks=2)  # type: ignore[arg-type]
    Producer(compression_type="brotli")  # type: ignore[arg-type]
    Producer(lingerms=5)  # type: ignore[call-arg]


async def read() -> None:
    async with Consumer("t", bootstrap_servers="x:1") as consumer:
        async for record in consumer:
            assert_type(record, ConsumerRecord[bytes | None, bytes | None])
            assert_type(record.value, bytes | None)
            assert_type(record.headers, tuple[tuple[str, bytes | None], ...])
            break
        many = await consumer.getmany(timeout_ms=5)
        for place, records in many.items():
            assert_type(place, TopicPartition)
            assert_type(records[0].offset, int)
