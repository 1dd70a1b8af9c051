"""EDGE: what a partition holds, read back over the wire batch by batch, for checks and pictures.

Nothing here trusts a consumer library: Fetch, batch headers, records. Works against any Kafka.
Tests: tests/system/testing/test_faults.py, tests/unit/testing/test_assertions.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..client.cluster.connection import Connection
from ..client.config import ISOLATION_LEVELS
from ..protocol.batch.control import read_marker
from ..protocol.batch.header import BatchHeader, Buffer, headers_in
from ..protocol.batch.reading import records_in
from ..protocol.errors import ErrorCode, error_code
from ..protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ..protocol.sequence import add

FETCH_BYTES_MAX = 4 * 1024 * 1024

InTransaction: TypeAlias = Literal["committed", "aborted", "open"]


class ReadFailed(Exception):
    """The broker refused to hand out the partition; the text names it and the error."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored record, decompressed.

    Attributes:
        timestamp: ms since 1970.
        producer_id, producer_epoch, sequence: -1 if its producer was not idempotent.
        transaction: what has become of its transaction in this partition; None if it is in none.
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
    transaction: InTransaction | None = None


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
    return all_stored(partition, await stored_batches(connection, topic, partition))


def all_stored(partition: int, batches: Iterable[tuple[BatchHeader, Buffer]]) -> list[Stored]:
    """The records of a partition; a marker is none, it decides what is before it.

    Args:
        batches: from the first one on, in offset order: what is left out decides nothing.
    """
    data: list[tuple[BatchHeader, Buffer]] = []
    became: list[InTransaction | None] = []
    undecided: dict[int, list[int]] = {}  # by producer id, places in data; of one, one is open
    for header, batch in batches:
        if header.is_control:
            marker = read_marker(batch)
            if marker is not None:
                for place in undecided.pop(header.producer_id, ()):
                    became[place] = "committed" if marker.is_commit else "aborted"
            continue
        if header.is_transactional:
            undecided.setdefault(header.producer_id, []).append(len(data))
        became.append("open" if header.is_transactional else None)
        data.append((header, batch))
    return [
        stored
        for (header, batch), transaction in zip(data, became, strict=True)
        for stored in stored_in(partition, header, batch, transaction)
    ]


def committed(records: Iterable[Stored]) -> list[Stored]:
    """What a reader with read_committed is given: nothing aborted, nothing behind what is open.

    Args:
        records: of each partition from its first on, in offset order.
    """
    shown: list[Stored] = []
    at_an_end: set[int] = set()  # partitions, at their last stable offset
    for each in records:
        if each.transaction == "open":
            at_an_end.add(each.partition)
        elif each.partition not in at_an_end and each.transaction != "aborted":
            shown.append(each)
    return shown


def as_read(records: list[Stored], isolation_level: str) -> list[Stored]:
    """What a reader of this isolation level is given of all that is there. Raises ValueError."""
    if isolation_level not in ISOLATION_LEVELS:
        known = " or ".join(ISOLATION_LEVELS)
        raise ValueError(f"isolation_level is {isolation_level!r}: expected {known}")
    return committed(records) if isolation_level == "read_committed" else records


def stored_in(
    partition: int, header: BatchHeader, batch: Buffer, transaction: InTransaction | None = None
) -> list[Stored]:
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
            transaction=transaction,
        )
        for record in records_in(batch)
    ]


def _sequence(header: BatchHeader, offset: int) -> int:
    if header.base_sequence < 0:
        return -1
    return add(header.base_sequence, offset - header.base_offset)
