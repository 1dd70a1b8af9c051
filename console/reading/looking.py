"""EDGE: looking for records: the newest, the first, from an offset or a time on, of a key.

A look has bounds: of records, of bytes read, of time. What it could not reach it says, and where to
go on. Going back in a partition is reading forward in steps, each further back.
Tests: tests/system/console/test_messages.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ...client.fetch.isolation import Visibility
from ...client.partitions import TopicPartition
from ..reading.batches import BatchView, RecordView, views_in
from .kafka import Extent, Kafka

FETCH_BYTES = 256 * 1024
LOOK_BYTES_MAX = 4 * 1024 * 1024
LOOK_S = 0.12  # beyond the first fetch
STEP_OFFSETS = 2_000  # back, where most records are not what is looked for
PARTITIONS_MAX = 32  # looked into at once
LIMIT_MAX = 200


class Start(StrEnum):
    """Where a look begins."""

    NEWEST = "newest"
    OLDEST = "oldest"
    OFFSET = "offset"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked for.

    Attributes:
        partition: None for all, PARTITIONS_MAX at most.
        at: the offset, or ms since 1970, where `start` needs one.
        before: NEWEST only: records below this offset.
        key: of the whole record's key; None for any.
        text: somewhere in key or value; None for any.
        committed: leave out what readers of committed records do not get.
    """

    partition: int | None = None
    start: Start = Start.NEWEST
    at: int = 0
    before: int | None = None
    limit: int = 50
    key: bytes | None = None
    text: bytes | None = None
    committed: bool = False

    @property
    def filters(self) -> bool:
        """Whether most records are likely not what is looked for."""
        return self.key is not None or self.text is not None

    def takes(self, view: RecordView) -> bool:
        """Whether a record is what is looked for."""
        record = view.record
        if self.key is not None and record.key != self.key:
            return False
        if self.text is None:
            return True
        return self.text in (record.key or b"") or self.text in (record.value or b"")


@dataclass(slots=True)
class Found:
    """What a look came to; records in the order in which they are shown.

    Attributes:
        looked_at: how many records were read for it.
        ended: whether a bound ended the look before it was through.
        lowest, highest: of one partition, the offsets it went through: from, and before which.
    """

    records: list[RecordView] = field(default_factory=list)
    batches: list[BatchView] = field(default_factory=list)
    extents: dict[TopicPartition, Extent] = field(default_factory=dict)
    looked_at: int = 0
    ended: bool = False
    lowest: int = 0
    highest: int = 0


async def look(kafka: Kafka, topic: str, wanted: Look) -> Found:
    """Look for records. Raises ClientError, ValueError: a partition there is not."""
    description = await kafka.topic(topic)
    known = [each.partition for each in description.partitions]
    if wanted.partition is not None and wanted.partition not in known:
        raise ValueError(f"{topic} has {len(known)} partitions, {wanted.partition} is none of them")
    chosen = known[:PARTITIONS_MAX] if wanted.partition is None else [wanted.partition]
    places = [TopicPartition(topic, each) for each in chosen]
    extents = await kafka.extents(places)
    starts = await _starts(kafka, wanted, extents)
    looking = _Looking(kafka, wanted)
    parts = await asyncio.gather(
        *(looking.into(place, extents[place], starts[place]) for place in places)
    )
    return _joined(parts, wanted, extents)


def _joined(parts: Sequence[Found], wanted: Look, extents: dict[TopicPartition, Extent]) -> Found:
    """What was found in each partition as one list, of one partition by offset, else by time."""
    found = Found(extents=extents)
    for each in parts:
        found.records += each.records
        found.batches += each.batches
        found.looked_at += each.looked_at
        found.ended = found.ended or each.ended
        found.lowest, found.highest = each.lowest, each.highest
    is_newest, is_one = wanted.start is Start.NEWEST, len(parts) == 1
    found.records.sort(key=_by_offset if is_one else _by_time, reverse=is_newest)
    if len(found.records) > wanted.limit:
        del found.records[wanted.limit :]
        if is_newest:
            found.lowest = found.records[-1].record.offset
        else:
            found.highest = found.records[-1].record.offset + 1
    found.batches.sort(key=lambda b: (b.partition, b.header.base_offset), reverse=is_newest)
    return found


def _by_offset(view: RecordView) -> tuple[int, int]:
    return (view.record.offset, 0)


def _by_time(view: RecordView) -> tuple[int, int]:
    return (view.record.timestamp, view.record.offset)


async def _starts(
    kafka: Kafka, wanted: Look, extents: dict[TopicPartition, Extent]
) -> dict[TopicPartition, int]:
    """The first offset to read in each partition; what lies outside is brought inside."""
    if wanted.start is Start.TIME:
        at = await kafka.list_offsets(dict.fromkeys(extents, wanted.at))
        return {p: at[p].offset if at[p].offset >= 0 else e.end for p, e in extents.items()}
    if wanted.start is Start.OFFSET:
        return {p: min(max(wanted.at, e.start), e.end) for p, e in extents.items()}
    return {place: extent.start for place, extent in extents.items()}


class _Looking:
    """One look, with what is left of its bounds."""

    def __init__(self, kafka: Kafka, wanted: Look) -> None:
        self._kafka = kafka
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + LOOK_S
        self._bytes = LOOK_BYTES_MAX

    @property
    def _is_spent(self) -> bool:
        return self._bytes <= 0 or self._loop.time() > self._until

    async def into(self, place: TopicPartition, extent: Extent, start: int) -> Found:
        """What one partition has of it."""
        wanted = self._wanted
        if wanted.start is not Start.NEWEST:
            found = Found(lowest=start, highest=start)
            await self._read_on(place, extent.end, found, wanted.limit)
            return found
        end = extent.end if wanted.before is None else min(wanted.before, extent.end)
        found = Found(lowest=end, highest=end)
        step = STEP_OFFSETS if wanted.filters else wanted.limit
        while found.lowest > extent.start and len(found.records) < wanted.limit:
            if self._is_spent:
                found.ended = True
                break
            begin = max(extent.start, found.lowest - step)
            part = Found(lowest=begin, highest=begin)
            # All of it, whatever the limit: the newest of it are wanted, and come last.
            await self._read_on(place, found.lowest, part, step)
            found.looked_at += part.looked_at
            if part.ended:  # a hole before what was read last: that is where the look ended
                found.ended = True
                break
            found.records = part.records + found.records
            seen = {each.header.base_offset for each in found.batches}  # one may reach over a step
            before = [each for each in part.batches if each.header.base_offset not in seen]
            found.batches = before + found.batches
            found.lowest = begin
            step = STEP_OFFSETS
        return found

    async def _read_on(self, place: TopicPartition, end: int, found: Found, limit: int) -> None:
        """Read forward from found.highest to before `end`, as far as bounds allow."""
        while found.highest < end and len(found.records) < limit:
            if self._is_spent and found.batches:
                found.ended = True
                return
            begin = found.highest
            for batch, records in await self._read(place, begin):
                if batch.header.next_offset <= begin or batch.header.base_offset >= end:
                    continue
                found.batches.append(batch)
                found.highest = max(found.highest, batch.header.next_offset)
                for each in records:
                    if begin <= each.record.offset < end:
                        found.looked_at += 1
                        if self._wanted.takes(each):
                            found.records.append(each)
            if found.highest == begin:  # behind the last committed, or nothing left of it
                found.highest = end

    async def _read(
        self, place: TopicPartition, offset: int
    ) -> list[tuple[BatchView, list[RecordView]]]:
        committed = self._wanted.committed
        chunk = await self._kafka.read(place, offset, FETCH_BYTES, committed=committed)
        self._bytes -= len(chunk.data)
        hidden = Visibility(chunk.aborted, check_crcs=True) if committed else None
        return await asyncio.to_thread(lambda: [*views_in(chunk.data, place.partition, hidden)])
