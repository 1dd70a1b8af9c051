"""EDGE: what a partition holds, read back over the wire batch by batch, for checks and pictures.

Nothing here trusts a consumer library: Fetch, batch headers, records. Works against any Kafka.
Tests: tests/system/testing/test_faults.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..client.cluster.connection import Connection
from ..protocol.batch.header import BatchHeader, headers_in
from ..protocol.batch.reading import records_in
from ..protocol.errors import ErrorCode, error_code
from ..protocol.framing import Buffer
from ..protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ..protocol.sequence import add

FETCH_BYTES_MAX = 4 * 1024 * 1024


class ReadFailed(Exception):
    """The broker refused to hand out the partition; the text names it and the error."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored record, decompressed.

    Attributes:
        timestamp: ms since 1970.
        producer_id, producer_epoch, sequence: -1 if its producer was not idempotent.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int
    producer_id: int
    producer_epoch: int
    sequence: int


async def stored_batches(
    connection: Connection, topic: str, partition: int = 0, *, start_offset: int = 0
) -> list[tuple[BatchHeader, Buffer]]:
    """Every whole batch of a partition up to its high watermark, in offset order.

    Args:
        start_offset: where to begin; not below where the partition does.
    Raises:
        ReadFailed: no such partition, or the broker refuses.
    """
    batches: list[tuple[BatchHeader, Buffer]] = []
    offset = start_offset
    high_watermark = offset + 1
    while offset < high_watermark:
        wanted = FetchPartition(
            partition=partition, fetch_offset=offset, partition_max_bytes=FETCH_BYTES_MAX
        )
        response = await connection.request(
            FetchRequest(
                max_wait_ms=0,
                min_bytes=0,
                max_bytes=FETCH_BYTES_MAX,
                topics=[FetchTopic(topic=topic, partitions=[wanted])],
            )
        )
        (answer,) = response.responses[0].partitions
        if answer.error_code != ErrorCode.NONE:
            code = error_code(answer.error_code)
            raise ReadFailed(f"{topic}-{partition} at offset {offset}: {code.name}: {code.text}")
        high_watermark = answer.high_watermark
        records = memoryview(answer.records or b"")
        before = offset
        for position, header in headers_in(records):
            batches.append((header, records[position : position + header.size_bytes]))
            offset = header.next_offset
        if offset == before:
            break
    return batches


async def stored_records(connection: Connection, topic: str, partition: int = 0) -> list[Stored]:
    """Every record of a partition up to its high watermark, in offset order; raises ReadFailed."""
    return [
        stored
        for header, batch in await stored_batches(connection, topic, partition)
        for stored in stored_in(partition, header, batch)
    ]


def stored_in(partition: int, header: BatchHeader, batch: Buffer) -> list[Stored]:
    """The records of one batch of a partition."""
    return [
        Stored(
            partition=partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp=record.timestamp,
            producer_id=header.producer_id,
            producer_epoch=header.producer_epoch,
            sequence=_sequence(header, record.offset),
        )
        for record in records_in(batch)
    ]


def _sequence(header: BatchHeader, offset: int) -> int:
    if header.base_sequence < 0:
        return -1
    return add(header.base_sequence, offset - header.base_offset)
