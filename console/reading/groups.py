"""EDGE: consumer groups: how far each has read, how far it lies behind, and setting it elsewhere.

A reset is previewed first. What is then done is what was shown: it carries the offsets that were
committed when it was shown, and is refused if those have changed. Where a goal leads is decided in
client/administer/resetting.py.
Tests: tests/system/console/test_groups.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...client.admin import GroupDescription, GroupListing
from ...client.administer.resetting import NOT_FOUND, Goal, Known, new_offset
from ...client.cluster.list_offsets import LATEST
from ...client.errors import ClientError
from ...client.partitions import TopicPartition, name_of
from .kafka import Extent, Kafka
from .many_groups import Told, told_together

KEPT_S = 2.0
NOT_KNOWN = -1


@dataclass(frozen=True, slots=True)
class Row:
    """A group in the list; lag and counts are NOT_KNOWN where they were refused.

    Attributes:
        lag: records behind, over all partitions it has committed.
    """

    group: GroupListing
    members: int
    partitions: int
    lag: int
    topics: Sequence[str]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a group is in one partition; committed is NOT_KNOWN where nothing is."""

    place: TopicPartition
    committed: int
    metadata: str
    extent: Extent | None
    member: str

    @property
    def lag(self) -> int:
        """Records behind; NOT_KNOWN where it cannot be told."""
        if self.extent is None or self.committed < 0:
            return NOT_KNOWN
        return max(0, self.extent.end - self.committed)


@dataclass(frozen=True, slots=True)
class Move:
    """What a reset does to a partition; `before` is NOT_KNOWN where nothing is committed."""

    place: TopicPartition
    before: int
    after: int


async def rows_of(kafka: Kafka, groups: Sequence[GroupListing]) -> list[Row]:
    """The groups with members and lag: asked for these only."""
    ids = tuple(each.group_id for each in groups)
    told = await kafka.cached.get(("groups", ids), KEPT_S, lambda: told_together(kafka, ids))
    left_out = [each for each in ids if each not in told]
    alone = await asyncio.gather(*(_alone(kafka, each) for each in left_out))
    gathered = {**told, **dict(zip(left_out, alone, strict=True))}
    wanted = {place for found in gathered.values() if found for place in found.committed}
    ends = await _ends(kafka, wanted)
    rows = []
    for group in groups:
        found = gathered[group.group_id]
        if found is None:
            rows.append(Row(group, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, ()))
            continue
        lags = [max(0, ends[p] - offset) for p, offset in found.committed.items() if p in ends]
        topics = sorted({place.topic for place in found.committed})
        rows.append(Row(group, found.members, len(found.committed), sum(lags), topics))
    return rows


async def _alone(kafka: Kafka, group_id: str) -> Told | None:
    """One group, asked for by itself; None where it may not be told."""

    async def ask() -> Told:
        async with kafka.few:
            described = await kafka.describe_group(group_id)
            committed = await kafka.list_group_offsets(group_id)
        return Told(len(described.members), {p: each.offset for p, each in committed.items()})

    try:
        return await kafka.cached.get(("group", group_id), KEPT_S, ask)
    except ClientError:
        return None  # it went away, or is somebody else's: its neighbours are shown all the same


async def _ends(kafka: Kafka, places: set[TopicPartition]) -> dict[TopicPartition, int]:
    """Ends of the partitions that are still there."""
    topics = await kafka.all_topics()
    there = {
        place
        for place in places
        if place.topic in topics
        and any(
            p.partition == place.partition and p.leader >= 0 for p in topics[place.topic].partitions
        )
    }
    if not there:
        return {}
    wanted = tuple(sorted(there))

    async def ask() -> dict[TopicPartition, int]:
        found = await kafka.list_offsets(dict.fromkeys(wanted, LATEST))
        return {place: each.offset for place, each in found.items()}

    return await kafka.cached.get(("ends", wanted), KEPT_S, ask)


async def places_of(kafka: Kafka, described: GroupDescription) -> list[Place]:
    """Every partition that a group has committed, or reads."""
    committed = await kafka.list_group_offsets(described.group_id)
    readers = {p: m.client_id or m.member_id for m in described.members for p in m.partitions}
    topics = await kafka.all_topics()
    places = sorted({*committed, *readers})
    there = [
        p for p in places if p.topic in topics and p.partition < len(topics[p.topic].partitions)
    ]
    extents = await kafka.extents(there) if there else {}
    return [
        Place(
            place,
            committed[place].offset if place in committed else NOT_KNOWN,
            committed[place].metadata if place in committed else "",
            extents.get(place),
            readers.get(place, ""),
        )
        for place in places
    ]


async def previewed(kafka: Kafka, places: Sequence[Place], goal: Goal, at: int) -> list[Move]:
    """What a reset would do.

    Args:
        at: the offset, how far to shift, or ms since 1970, as the goal needs.
    Raises: ValueError: a partition is gone, or has nothing to shift.
    """
    gone = [name_of(each.place) for each in places if each.extent is None]
    if gone:
        raise ValueError(f"{gone[0]} is gone: leave its topic out")
    since: dict[TopicPartition, int] = {}
    if goal is Goal.TIME:
        found = await kafka.list_offsets({each.place: max(0, at) for each in places})
        since = {place: each.offset for place, each in found.items()}
    moves = []
    for each in places:
        assert each.extent is not None
        committed = None if each.committed < 0 else each.committed
        start, end = each.extent.start, each.extent.end
        known = Known(committed, start, end, since.get(each.place, NOT_FOUND))
        moves.append(Move(each.place, each.committed, new_offset(each.place, known, goal, at)))
    return moves


async def carry_out(kafka: Kafka, group_id: str, moves: Sequence[Move]) -> None:
    """Do what was previewed.

    Raises:
        ValueError: what is committed is no longer what it was.
        Fatal: the group has members.
    """
    committed = await kafka.list_group_offsets(group_id)
    for each in moves:
        now = committed[each.place].offset if each.place in committed else NOT_KNOWN
        if now != each.before:
            raise ValueError(
                f"{name_of(each.place)}: {now} is committed by now, and was {each.before} when it "
                "was shown; nothing was changed, look again"
            )
    offsets: Mapping[TopicPartition, int] = {each.place: each.after for each in moves}
    await kafka.alter_group_offsets(group_id, offsets)
    kafka.cached.forget()
