"""Partitions of our broker, without a broker: what is produced to them, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator

from minibroker.broker.partitions.partition import Appended
from minibroker.broker.partitions.sequences import Duplicate
from minibroker.client.produce.answers import Answer
from minibroker.protocol.batch.header import BatchHeader, headers_in
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.errors import ErrorCode, Refused

from tests.support.worlds.producer_world import log_bytes, new_partition


class StoredLogs:
    """The logs of a topic's partitions."""

    def __init__(self, count: int) -> None:
        self._partitions = [new_partition(index) for index in range(count)]

    def produce(self, index: int, wire: bytes) -> Answer:
        """What a broker says to a batch."""
        verdict = self._partitions[index].produce(memoryview(wire), 1_000)
        if isinstance(verdict, Refused):
            return Answer(verdict.code)
        assert isinstance(verdict, Appended | Duplicate)
        return Answer(ErrorCode.NONE, verdict.base_offset)

    def end(self, index: int) -> int:
        """Of a log: the next offset."""
        return self._partitions[index].log.log_end_offset

    def identities(self, index: int) -> dict[tuple[int, int, int], int]:
        """The base offset of each batch, by producer id, epoch and sequence."""
        return {
            (each.producer_id, each.producer_epoch, each.base_sequence): each.base_offset
            for each, _ in self._batches(index)
        }

    def values(self, index: int) -> list[bytes | None]:
        """Of every record."""
        return [each.value for _, batch in self._batches(index) for each in records_in(batch)]

    def _batches(self, index: int) -> Iterator[tuple[BatchHeader, memoryview]]:
        data = memoryview(log_bytes(self._partitions[index]))
        for position, header in headers_in(data):
            yield header, data[position : position + header.size_bytes]
