"""Five batches in flight, one answer lost: what no foreign Python client here does by itself.

kafka-python, aiokafka and librdkafka keep one idempotent batch of a partition in flight, so their
retries are always of the newest. The window of five is what Java and Go clients rely on.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.client.cluster.connection import Connection, ConnectionFailed
from minibroker.protocol.batch.writing import NewRecord, build_batch
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing.proxy import Proxy
from minibroker.testing.stored import stored_records

from tests.support.processes.broker import ForkedBroker

TOPIC = "window"
IN_FLIGHT = 5
TIMESTAMP = 1_700_000_000_000


def produce(number: int) -> ProduceRequest:
    """The `number`-th batch of producer 7: two records."""
    records: list[NewRecord] = [(None, b"%d-%d" % (number, n), [], TIMESTAMP) for n in range(2)]
    batch = build_batch(records, producer_id=7, producer_epoch=0, base_sequence=2 * number)
    data = PartitionProduceData(index=0, records=batch)
    topic = TopicProduceData(name=TOPIC, partition_data=[data])
    return ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[topic])


async def send_all(address: tuple[str, int]) -> list[tuple[int, int] | None]:
    """Send the five at once over one connection; (error, base offset) of each, None if unknown."""
    connection = await Connection.open(*address)
    try:
        asked = [asyncio.create_task(connection.request(produce(n))) for n in range(IN_FLIGHT)]
        answers: list[tuple[int, int] | None] = []
        for response in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(response, BaseException):
                assert isinstance(response, ConnectionFailed), response
                answers.append(None)
            else:
                (answer,) = response.responses[0].partition_responses
                answers.append((answer.error_code, answer.base_offset))
        return answers
    finally:
        await connection.close()


@pytest.mark.parametrize("lost", range(1, IN_FLIGHT + 1))
async def test_all_five_in_flight_are_recognised_whichever_answer_is_lost(
    tmp_path: Path, lost: int
) -> None:
    rule = Rule(action=LoseReply(), api="Produce", nth=lost)
    expected = [(0, 2 * number) for number in range(IN_FLIGHT)]
    with ForkedBroker(data_dir=tmp_path / "data") as broker:
        async with Proxy(broker.bootstrap_servers, [rule]) as proxy:
            connection = await Connection.open(proxy.host, proxy.port)
            await connection.request(MetadataRequest(topics=[MetadataRequestTopic(name=TOPIC)]))
            await connection.close()
            first = await send_all((proxy.host, proxy.port))
            assert first == expected[: lost - 1] + [None] * (IN_FLIGHT - lost + 1)
            assert await send_all((proxy.host, proxy.port)) == expected
        connection = await Connection.open("127.0.0.1", broker.port)
        stored = await stored_records(connection, TOPIC)
        await connection.close()
    values = [b"%d-%d" % (number, n) for number in range(IN_FLIGHT) for n in range(2)]
    assert [record.value for record in stored] == values
