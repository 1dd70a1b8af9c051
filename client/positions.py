"""EDGE: the part of Consumer's API that is about places in the log: positions, ends, lag, seeking.

Records, groups and commits are in consumer.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic

from ..protocol.errors import ErrorCode
from .cluster.cluster import Cluster, bounded
from .cluster.list_offsets import EARLIEST, LATEST, OffsetAndTimestamp, Offsets
from .config import ConsumerConfig
from .door import door, place_door
from .door.owner import Owner
from .errors import Retriable
from .fetch.fetcher import Fetcher
from .fetch.position import K, Reading, V
from .fetch.pump import Fetching
from .partitions import TopicPartition, name_of


class Positions(Generic[K, V]):
    """What can be asked and told about the places in each partition."""

    _owner: Owner
    _config: ConsumerConfig
    _cluster: Cluster
    _fetcher: Fetcher[K, V]
    _fetching: Fetching[K, V]
    _offsets: Offsets

    def assignment(self) -> set[TopicPartition]:
        """The partitions that are read."""
        self._owner.check()
        return set(self._fetcher.readings)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at an offset (0 or more)."""
        self._owner.check()
        self._reading_of(partition).move_to(door.whole("offset", offset, 0, door.LONG_MAX))
        self._fetching.wake()

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Go on at the first record of these partitions, or of all."""
        self._go_to(await self.beginning_offsets(self._places(partitions)))

    async def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Go on behind the last record of these partitions, or of all."""
        self._go_to(await self.end_offsets(self._places(partitions)))

    async def position(self, partition: TopicPartition, *, timeout_ms: float | None = None) -> int:
        """The offset of the next record the application gets.

        Raises:
            Fatal: there is none, and auto_offset_reset is "none"; or the partition cannot be read.
            Retriable: it was not found within `timeout_ms`, by default request_timeout_ms.
        """
        self._owner.check()
        limit_ms = door.within_ms("timeout_ms", timeout_ms, self._config.request_timeout_ms)
        reading, name = (
            self._reading_of(partition),
            name_of(place_door.place("partition", partition)),
        )

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
        self._owner.check()
        high_watermark = self._reading_of(partition).high_watermark
        return high_watermark if high_watermark >= 0 else None

    async def lag(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        """How many offsets lie between position and end, of these partitions or of all assigned.

        Raises: as position() and end_offsets().
        """
        places = self._places(partitions)
        ends = await self.end_offsets(places)
        return {place: max(0, ends[place] - await self.position(place)) for place in places}

    async def beginning_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The offset of the first record of each partition. Raises as end_offsets()."""
        return await self._offsets_at(partitions, EARLIEST)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset behind the last readable record of each partition.

        Raises:
            Fatal: a partition does not exist, or may not be read.
            Retriable: no answer within request_timeout_ms.
        """
        return await self._offsets_at(partitions, LATEST)

    async def offsets_for_times(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record of each partition at or after a time (ms since 1970), if any."""
        self._owner.check()
        asked = place_door.by_place("timestamps", timestamps, door.timestamp_ms)
        whole = {place: int(each) for place, each in asked.items()}
        found = await self._offsets.at(whole, self._config.request_timeout_ms)
        return {place: each if each.offset >= 0 else None for place, each in found.items()}

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out no records of these partitions until resume()."""
        self._owner.check()
        for reading in [*map(self._reading_of, partitions)]:
            reading.is_paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        """Undo pause()."""
        self._owner.check()
        for reading in [*map(self._reading_of, partitions)]:
            reading.is_paused = False
        self._fetching.wake()

    def _places(self, partitions: Iterable[TopicPartition]) -> tuple[TopicPartition, ...]:
        """Those given, or all."""
        self._owner.check()
        return place_door.places("partitions", partitions) or tuple(self._fetcher.readings)

    def _go_to(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Seek, but for partitions that were given to somebody else meanwhile."""
        for place, offset in offsets.items():
            if place in self._fetcher.readings:
                self.seek(place, offset)

    async def _offsets_at(
        self, partitions: Iterable[TopicPartition], timestamp: int
    ) -> dict[TopicPartition, int]:
        self._owner.check()
        asked = dict.fromkeys(place_door.places("partitions", partitions), timestamp)
        found = await self._offsets.at(asked, self._config.request_timeout_ms)
        return {place: each.offset for place, each in found.items()}

    def _reading_of(self, partition: TopicPartition) -> Reading:
        place = place_door.place("partition", partition)
        reading = self._fetcher.readings.get(place)
        if reading is None:
            raise ValueError(f"{name_of(place)} is not assigned")
        return reading
