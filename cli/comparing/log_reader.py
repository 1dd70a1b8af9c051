"""EDGE: reads the log of one partition, batch by batch as it is stored.

One Fetch at a time, of whole batches, that are not decoded here. Where a leader moved, a connection
ended or a broker is not ready, it is asked again, within the bound of one call of Asking.persist.
Read first: pieces.py.
Tests: tests/system/commands/test_compare.py
"""

from __future__ import annotations

from dataclasses import dataclass

from ...client.administer.asking import check
from ...client.errors import Retriable
from ...client.partitions import TopicPartition, name_of
from ...protocol.batch.header import headers_in
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from .pieces import Piece, pieces_in
from .side import Side

FETCH_BYTES = 1024 * 1024
WAIT_MS = 500  # for a broker that has less than it said; asked again until the call's bound


class StartMoved(Exception):
    """What was to be read next has been removed meanwhile."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Pieces of a log, and up to where they are all there is, exclusive."""

    pieces: list[Piece]
    next_offset: int


class LogReader:
    """Reads one partition of a side."""

    def __init__(self, side: Side, place: TopicPartition) -> None:
        self._side = side
        self._place = place
        self._leader: int | None = None

    async def read(self, offset: int, end: int) -> Fetched:
        """Some batches from `offset` on, at most up to `end`, exclusive; at least one.

        Raises:
            StartMoved: the log begins behind `offset`.
            Unreadable: what came are no batches.
            Retriable, Fatal: the broker does not give it.
        """
        what = f"{self._side.label}: read {name_of(self._place)} at offset {offset}"

        async def ask() -> PartitionData:
            data = await self._fetch(offset)
            code = error_code(data.error_code)
            if code is not ErrorCode.OFFSET_OUT_OF_RANGE:
                if code:
                    self._leader = None
                check(code, name_of(self._place))
                if not data.records:
                    raise Retriable(f"nothing came, although it ends at {end}")
            return data

        data = await self._side.asking.persist(what, ask)
        if data.error_code:
            raise StartMoved
        records = data.records or b""
        next_offset = max((head.next_offset for _, head in headers_in(records)), default=offset)
        pieces = [*pieces_in(records, data.aborted_transactions or (), offset, end)]
        return Fetched(pieces, min(max(next_offset, offset), end))

    async def _fetch(self, offset: int) -> PartitionData:
        asking, place = self._side.asking, self._place
        if self._leader is None:
            (self._leader,) = await asking.by_leader([place])
        part = FetchPartition(
            partition=place.partition, fetch_offset=offset, partition_max_bytes=FETCH_BYTES
        )
        request = FetchRequest(
            max_wait_ms=WAIT_MS,
            min_bytes=1,
            max_bytes=FETCH_BYTES,
            isolation_level=self._side.isolation,
            topics=[FetchTopic(topic=place.topic, partitions=[part])],
            forgotten_topics_data=[],
        )
        try:
            response: FetchResponse = await asking.request(await asking.node(self._leader), request)
        except Exception:
            self._leader = None
            raise
        check(response.error_code, name_of(place))
        ((data,),) = (each.partitions for each in response.responses)
        return data
