"""EDGE: what a broker holds after a crash: topics, logs, and whether it knows retries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.header import LENGTH_AT, BatchHeader, headers_in
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.framing import Buffer
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.metadata import MetadataRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.crash.judge import PARTITIONS, LogRecords

WINDOW = 5  # newest batches of a producer id that a broker must recognise
EARLIEST = -2
FETCH_BYTES = 4 * 1024 * 1024

Batch = tuple[BatchHeader, Buffer]


class Look(NamedTuple):
    """What was seen.

    Attributes:
        wrong: retries that were not answered (0, first offset), or changed a log.
    """

    topics: list[str]
    logs: list[LogRecords]
    retries: int
    wrong: list[str]


async def look(port: int, topic: str) -> Look:
    """Read everything, send the newest batches of every producer id again, and read again."""
    connection = await Connection.open("127.0.0.1", port)
    try:
        metadata = await connection.request(MetadataRequest(topics=None))
        wrong: list[str] = []
        logs, retries = [], 0
        for partition in range(PARTITIONS):
            start_offset, batches = await _read(connection, topic, partition)
            newest = _newest(batches)
            retries += len(newest)
            for header, batch in newest:
                answer = await _send_again(connection, topic, partition, batch)
                if answer != (0, header.base_offset):
                    wrong.append(
                        f"retry of {topic}-{partition}:{header.base_offset}, producer id "
                        f"{header.producer_id}, was answered {answer}"
                    )
            again = await _read(connection, topic, partition)
            if [header for header, _ in again[1]] != [header for header, _ in batches]:
                wrong.append(f"retries have changed {topic}-{partition}")
            records = [
                (each.offset, each.value or b"")
                for _, batch in batches
                for each in records_in(batch)
            ]
            logs.append(LogRecords(start_offset, records))
        names = [each.name or "" for each in metadata.topics]
        return Look(names, logs, retries, wrong)
    finally:
        await connection.close()


async def _read(connection: Connection, topic: str, partition: int) -> tuple[int, list[Batch]]:
    asked = ListOffsetsPartition(partition_index=partition, timestamp=EARLIEST)
    topics = [ListOffsetsTopic(name=topic, partitions=[asked])]
    answer = await connection.request(ListOffsetsRequest(topics=topics))
    (found,) = answer.topics[0].partitions
    assert not found.error_code, f"ListOffsets {topic}-{partition}: {found.error_code}"
    batches: list[Batch] = []
    offset = start_offset = found.offset
    high_watermark = offset + 1
    while offset < high_watermark:
        wanted = FetchPartition(
            partition=partition, fetch_offset=offset, partition_max_bytes=FETCH_BYTES
        )
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=FETCH_BYTES,
            topics=[FetchTopic(topic=topic, partitions=[wanted])],
        )
        (part,) = (await connection.request(request)).responses[0].partitions
        assert not part.error_code, f"Fetch {topic}-{partition} at {offset}: {part.error_code}"
        records = memoryview(part.records or b"")
        before, high_watermark = offset, part.high_watermark
        for position, header in headers_in(records):
            batches.append((header, records[position : position + header.size_bytes]))
            offset = header.next_offset
        if offset == before:
            break
    return start_offset, batches


def _newest(batches: Sequence[Batch]) -> list[Batch]:
    by_id: dict[int, list[Batch]] = {}
    for entry in batches:
        by_id.setdefault(entry[0].producer_id, []).append(entry)
    return [entry for each in by_id.values() for entry in each[-WINDOW:]]


async def _send_again(
    connection: Connection, topic: str, partition: int, batch: Buffer
) -> tuple[int, int]:
    # Producers send base offset 0, which is not in the CRC.
    sent = bytes(LENGTH_AT) + bytes(batch[LENGTH_AT:])
    data = PartitionProduceData(index=partition, records=sent)
    topics = [TopicProduceData(name=topic, partition_data=[data])]
    response = await connection.request(
        ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=topics)
    )
    (part,) = response.responses[0].partition_responses
    return part.error_code, part.base_offset
