"""Who reads which partition: range, roundrobin and cooperative-sticky, as Java computes them.

The group's leader alone computes an assignment, from what every member said when it joined; so
members of different make agree as long as they can read each other's words
(protocol/consumer_protocol.py). Facts in, partitions out; an assignor remembers nothing.
Racks are not looked at.
Source: RangeAssignor.java, RoundRobinAssignor.java, AbstractStickyAssignor.java,
CooperativeStickyAssignor.java; KIP-54, KIP-429.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TypeAlias

from ...protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    TopicPartitions,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from ..partitions import TopicPartition

Assignment: TypeAlias = dict[str, list[TopicPartition]]
NO_GENERATION = -1
GIVES_UP = b"gives up"  # user data of an assignment; clients of other make look at none


@dataclass(frozen=True, slots=True)
class Member:
    """What an assignor knows of a member.

    Attributes:
        topics: what it wants to read.
        owned: what it still reads, and `generation`, since when it is known to.
        instance_id: of a static member.
    """

    member_id: str
    topics: frozenset[str]
    owned: tuple[TopicPartition, ...] = ()
    generation: int = NO_GENERATION
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Assignor:
    """One way to share partitions out.

    Attributes:
        name: as it travels, and as all members of a group must know it.
        is_cooperative: members keep reading while a new assignment is made; what moves is first
            given up by its owner, and given to the next one a rebalance later.
        assign: (members, partition count by topic) -> partitions by member id.
    """

    name: str
    is_cooperative: bool
    assign: Callable[[Sequence[Member], Mapping[str, int]], Assignment]

    def metadata(
        self, topics: Iterable[str], owned: Iterable[TopicPartition], generation: int
    ) -> bytes:
        """What a member tells the leader."""
        subscription = ConsumerProtocolSubscription(
            topics=sorted(topics),
            user_data=struct.pack(">i", generation) if self.is_cooperative else None,
            owned_partitions=by_topic(owned),
            generation_id=generation,
        )
        return encode_subscription(subscription)


def member_of(member_id: str, instance_id: str | None, metadata: bytes) -> Member:
    """What a member told the leader. Raises DecodeError for bytes that are no subscription."""
    said = decode_subscription(metadata)
    generation = said.generation_id
    if generation == NO_GENERATION and said.user_data is not None and len(said.user_data) == 4:
        (generation,) = struct.unpack(">i", said.user_data)
    return Member(
        member_id=member_id,
        topics=frozenset(said.topics),
        owned=tuple(places_in(said.owned_partitions)),
        generation=generation,
        instance_id=instance_id,
    )


def encode_places(places: Iterable[TopicPartition], *, gives_up: bool = False) -> bytes:
    """An assignment as the leader sends it.

    Args:
        gives_up: the member owns partitions that are not among these. Another round must give them
            to somebody: it is to join again, even if it has come back meanwhile owning nothing.
    """
    return encode_assignment(
        ConsumerProtocolAssignment(
            assigned_partitions=by_topic(places), user_data=GIVES_UP if gives_up else None
        )
    )


def decode_places(data: bytes) -> list[TopicPartition]:
    """The partitions of an assignment. Raises DecodeError for bytes that are none."""
    return places_in(decode_assignment(data).assigned_partitions)


def decode_gives_up(data: bytes) -> bool:
    """What encode_places() was told. Raises as decode_places()."""
    return decode_assignment(data).user_data == GIVES_UP


def by_topic(places: Iterable[TopicPartition]) -> list[TopicPartitions]:
    """Partitions in the shape in which they travel."""
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(places):
        topics.setdefault(topic, []).append(partition)
    return [TopicPartitions(topic=topic, partitions=each) for topic, each in topics.items()]


def places_in(topics: Iterable[TopicPartitions]) -> list[TopicPartition]:
    """The inverse of by_topic()."""
    return [TopicPartition(each.topic, index) for each in topics for index in each.partitions]


def assign_range(members: Sequence[Member], partition_counts: Mapping[str, int]) -> Assignment:
    """Each topic by itself, in runs of neighbours; the first members get one more if it must be."""
    assignment: Assignment = {member.member_id: [] for member in members}
    ordered = sorted(members, key=_by_identity)
    for topic in sorted(partition_counts):
        takers = [member.member_id for member in ordered if topic in member.topics]
        if not takers:
            continue
        share, extra = divmod(partition_counts[topic], len(takers))
        first = 0
        for number, member_id in enumerate(takers):
            end = first + share + (number < extra)
            assignment[member_id] += [TopicPartition(topic, index) for index in range(first, end)]
            first = end
    return assignment


def assign_round_robin(
    members: Sequence[Member], partition_counts: Mapping[str, int]
) -> Assignment:
    """All partitions of all topics, dealt out in turn."""
    assignment: Assignment = {member.member_id: [] for member in members}
    turns = cycle(sorted(members, key=_by_identity))
    for place in _places(members, partition_counts):
        taker = next(member for member in turns if place.topic in member.topics)
        assignment[taker.member_id].append(place)
    return assignment


def assign_cooperative_sticky(
    members: Sequence[Member], partition_counts: Mapping[str, int]
) -> Assignment:
    """Balanced with few moves; a partition that moves is left out until its owner gave it up."""
    assignment = assign_sticky(members, partition_counts)
    owned = {member.member_id: frozenset(member.owned) for member in members}
    claimed = frozenset[TopicPartition]().union(*owned.values())
    owners = _claims(members, claimed)
    return {
        member_id: [
            place for place in places if place not in claimed or owners.get(place) == member_id
        ]
        for member_id, places in assignment.items()
    }


def assign_sticky(members: Sequence[Member], partition_counts: Mapping[str, int]) -> Assignment:
    """As balanced as subscriptions allow: no single move could make it more even.

    Every member first keeps what it owns; what nobody owns goes to whoever has least; then, while
    a member has two partitions more than another that could take one, it gives one away.
    """
    wanted = {member.member_id: member.topics for member in members}
    ordered = sorted(members, key=_by_identity)
    order = {member.member_id: number for number, member in enumerate(ordered)}
    places = _places(members, partition_counts)
    owners = _claims(ordered, frozenset(places))
    assignment: Assignment = {member.member_id: [] for member in ordered}
    for place in places:
        if place in owners:
            assignment[owners[place]].append(place)

    def load(member_id: str) -> tuple[int, int]:
        return len(assignment[member_id]), order[member_id]

    takers = {
        topic: [member.member_id for member in ordered if topic in member.topics]
        for topic in partition_counts
    }
    left = [place for place in places if place not in owners]
    for place in sorted(left, key=lambda place: (len(takers[place.topic]), place)):
        assignment[min(takers[place.topic], key=load)].append(place)
    while (move := _evening_move(sorted(assignment, key=load), assignment, wanted)) is not None:
        giver, taker, place = move
        assignment[giver].remove(place)
        assignment[taker].append(place)
    return assignment


def _evening_move(
    by_load: Sequence[str], assignment: Assignment, wanted: Mapping[str, frozenset[str]]
) -> tuple[str, str, TopicPartition] | None:
    """(giver, taker, partition) of a move that makes two members more even; None if there is none.

    What was added last is given away first, so that what was owned before stays.
    """
    for taker in by_load:
        for giver in reversed(by_load):
            if len(assignment[giver]) <= len(assignment[taker]) + 1:
                break
            for place in reversed(assignment[giver]):
                if place.topic in wanted[taker]:
                    return giver, taker, place
    return None


def _claims(
    members: Sequence[Member], places: frozenset[TopicPartition]
) -> dict[TopicPartition, str]:
    """Owner by partition; of several the one of the newest generation, of equals nobody."""
    claims: dict[TopicPartition, tuple[int, str | None]] = {}
    for member in members:
        for place in member.owned:
            if place not in places or place.topic not in member.topics:
                continue
            generation, _ = claims.get(place, (NO_GENERATION - 1, None))
            if member.generation > generation:
                claims[place] = member.generation, member.member_id
            elif member.generation == generation:
                claims[place] = generation, None
    return {place: owner for place, (_, owner) in claims.items() if owner is not None}


def _places(members: Sequence[Member], partition_counts: Mapping[str, int]) -> list[TopicPartition]:
    """Every partition that somebody wants, by topic and number."""
    topics = frozenset[str]().union(*(member.topics for member in members))
    return [
        TopicPartition(topic, index)
        for topic in sorted(topics & partition_counts.keys())
        for index in range(partition_counts[topic])
    ]


def _by_identity(member: Member) -> tuple[bool, str]:
    """Static members first, by instance id: their order survives a restart."""
    return member.instance_id is None, member.instance_id or member.member_id


ASSIGNORS: dict[str, Assignor] = {
    each.name: each
    for each in (
        Assignor("range", is_cooperative=False, assign=assign_range),
        Assignor("roundrobin", is_cooperative=False, assign=assign_round_robin),
        Assignor("cooperative-sticky", is_cooperative=True, assign=assign_cooperative_sticky),
    )
}
