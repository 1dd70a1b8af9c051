"""EDGE: the places in the log that a consumer is at, goes to, or asks for: positions, ends, lag.

Consumer's methods of these names come here; what a call hands over is examined here.
Tests: tests/system/client/test_client.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic

from ...protocol.errors import ErrorCode
from ..cluster.cluster import Cluster, bounded
from ..cluster.list_offsets import LATEST, OffsetAndTimestamp, OffsetLookup
from ..config import ConsumerConfig
from ..door import door, place_door
from ..errors import Retriable
from ..partitions import TopicPartition, name_of
from .fetcher import Fetcher
from .position import K, Reading, V
from .pump import Fetching


class Positions(Generic[K, V]):
    """What can be asked and told about the places in each partition; raises as Consumer says."""

    def __init__(
        self,
        config: ConsumerConfig,
        cluster: Cluster,
        fetcher: Fetcher[K, V],
        fetching: Fetching[K, V],
        offsets: OffsetLookup,
    ) -> None:
        self._config = config
        self._cluster = cluster
        self._fetcher = fetcher
        self._fetching = fetching
        self._offsets = offsets

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at an offset."""
        self._reading_of(partition).move_to(door.whole("offset", offset, 0, door.LONG_MAX))
        self._fetching.wake()

    async def seek_to(self, timestamp: int, partitions: Iterable[TopicPartition]) -> None:
        """Go on at EARLIEST or LATEST of these partitions, or of all."""
        for place, offset in (await self.at(timestamp, self._places(partitions))).items():
            if place in self._fetcher.readings:  # not given to somebody else meanwhile
                self.seek(place, offset)

    async def position(self, partition: TopicPartition, limit_ms: float) -> int:
        """The offset of the next record that is handed out; waits until it is known."""
        reading = self._reading_of(partition)
        name = name_of(place_door.place("partition", partition))

        def late() -> Retriable:
            problem = self._fetcher.last_problem or self._cluster.last_problem or "none"
            text = f"{name}: no position within {limit_ms:.0f} ms; last problem: "
            return Retriable(text + problem, code=ErrorCode.REQUEST_TIMED_OUT)

        async with bounded(limit_ms, late):
            while reading.position < 0:
                problem = self._fetching.failure or reading.error
                if problem is not None:
                    raise problem.with_traceback(None)
                await self._fetching.until_more()
        return reading.position

    def highwater(self, partition: TopicPartition) -> int | None:
        """The end of the partition as of the newest fetch; None before the first."""
        high_watermark = self._reading_of(partition).high_watermark
        return high_watermark if high_watermark >= 0 else None

    async def lag(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """How many offsets lie between position and end, of these partitions or of all."""
        places = self._places(partitions)
        ends = await self.at(LATEST, places)
        limit_ms = self._config.request_timeout_ms
        return {
            place: max(0, ends[place] - await self.position(place, limit_ms)) for place in places
        }

    async def at(
        self, timestamp: int, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The offset of EARLIEST or LATEST in each partition."""
        asked = dict.fromkeys(place_door.places("partitions", partitions), timestamp)
        found = await self._offsets.at(asked, self._config.request_timeout_ms)
        return {place: each.offset for place, each in found.items()}

    async def for_times(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record of each partition at or after a time, if any."""
        asked = place_door.by_place("timestamps", timestamps, door.timestamp_ms)
        whole = {place: int(at_ms) for place, at_ms in asked.items()}
        found = await self._offsets.at(whole, self._config.request_timeout_ms)
        return {place: each if each.offset >= 0 else None for place, each in found.items()}

    def set_paused(self, partitions: Iterable[TopicPartition], is_paused: bool) -> None:
        """Hand out no records of these partitions, or do so again; all of them or none."""
        for reading in [*map(self._reading_of, partitions)]:
            reading.is_paused = is_paused
        if not is_paused:
            self._fetching.wake()

    def _places(self, partitions: Iterable[TopicPartition]) -> tuple[TopicPartition, ...]:
        """Those given, or all."""
        return place_door.places("partitions", partitions) or tuple(self._fetcher.readings)

    def _reading_of(self, partition: TopicPartition) -> Reading:
        place = place_door.place("partition", partition)
        reading = self._fetcher.readings.get(place)
        if reading is None:
            raise ValueError(f"{name_of(place)} is not assigned")
        return reading
