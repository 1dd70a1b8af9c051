"""EDGE: large compressed batches are opened beside the loop: in order, and harming nobody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.apis import storing
from minibroker.broker.limits import OPENED_AT_ONCE_BYTES_MAX
from minibroker.broker.partitions.opened import open_batch
from minibroker.protocol.batch.header import headers_in
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.in_loop.requests import create, fetch
from tests.support.in_loop.runtime import RawConnection, connect, request_frame, running_broker

NOW_MS = 1_700_000_000_000
LARGE = bytes(OPENED_AT_ONCE_BYTES_MAX)
WAIT_S = 10


def produce(*batches: bytes, topic: str = "t") -> ProduceRequest:
    """A batch for each partition from 0 on."""
    data = [PartitionProduceData(index=index, records=batch) for index, batch in enumerate(batches)]
    return ProduceRequest(
        acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name=topic, partition_data=data)]
    )


def batch(sequence: int, value: bytes, codec: Codec = Codec.NONE) -> bytes:
    """One record of producer 9."""
    return build_batch(
        [(None, value, (), NOW_MS)],
        codec=codec,
        producer_id=9,
        producer_epoch=0,
        base_sequence=sequence,
    )


async def test_what_follows_a_batch_being_opened_waits_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_open, is_opening = threading.Event(), threading.Event()

    def slowly(*args: Any) -> Any:
        is_opening.set()
        assert may_open.wait(WAIT_S)
        return open_batch(*args)

    monkeypatch.setattr(storing, "open_batch", slowly)
    async with running_broker(tmp_path) as runtime:
        neighbour = await connect(runtime)
        await create(neighbour)
        await create(neighbour, "other")
        producer = await RawConnection.open(runtime)
        try:
            sent = [
                batch(0, LARGE, Codec.GZIP),
                batch(1, b"small"),
                batch(2, LARGE, Codec.LZ4),
                batch(3, b"small", Codec.ZSTD),
            ]
            for number, each in enumerate(sent):
                producer.send(request_frame(produce(each), 9, number))
            while not is_opening.is_set():
                response = await neighbour.request(produce(batch(0, b"v"), topic="other"))
                assert response.responses[0].partition_responses[0].error_code in (
                    ErrorCode.NONE,
                    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                )
            response = await neighbour.request(fetch())
            assert not response.responses[0].partitions[0].records
        finally:
            may_open.set()
        for number in range(len(sent)):
            correlation_id, answer = await producer.response(0, 9)
            (part,) = answer.responses[0].partition_responses
            assert (correlation_id, part.error_code, part.base_offset) == (number, 0, number)
        response = await neighbour.request(fetch())
        stored = bytes(response.responses[0].partitions[0].records)
        assert [header.base_sequence for _, header in headers_in(stored)] == [0, 1, 2, 3]
        await producer.close()
        await neighbour.close()


async def test_a_topic_of_another_codec_and_a_bad_batch_beside_it() -> None:
    async with running_broker() as runtime:
        client = await connect(runtime)
        new = CreatableTopic(
            name="t",
            num_partitions=3,
            replication_factor=1,
            assignments=[],
            configs=[CreatableTopicConfig(name="compression.type", value="zstd")],
        )
        response = await client.request(CreateTopicsRequest(topics=[new]))
        assert response.topics[0].error_code == 0
        bad = bytearray(batch(0, LARGE, Codec.GZIP))
        bad[-1] ^= 1
        plain = batch(0, LARGE + b"plain")
        response = await client.request(produce(plain, bytes(bad), batch(0, b"x", Codec.SNAPPY)))
        codes = [part.error_code for part in response.responses[0].partition_responses]
        assert codes == [0, ErrorCode.CORRUPT_MESSAGE, 0]
        response = await client.request(fetch())
        stored = bytes(response.responses[0].partitions[0].records)
        assert [header.codec for _, header in headers_in(stored)] == [Codec.ZSTD]
        assert len(stored) < len(plain)
        await client.close()
