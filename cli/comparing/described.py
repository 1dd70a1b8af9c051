"""Where two Kafkas differ in what they say of themselves: topics, configurations, groups.

Pure.
Tests: tests/unit/cli/comparing/test_described.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from ...client.admin import TopicDescription
from ...client.partitions import TopicPartition
from .differences import Difference, Kind
from .side import Committed

AT_WORK: Final = "members are at work in the group"
# What is of the machines a topic lies on, and not of the topic.
OF_THE_MACHINES: Final = {
    "min.insync.replicas": "how many copies there are is the cluster's own matter",
    "unclean.leader.election.enable": "with one machine there is no election",
    "leader.replication.throttled.replicas": "names brokers of one cluster",
    "follower.replication.throttled.replicas": "names brokers of one cluster",
}
# What a mirror does not take over, because it writes the times that were written before.
NOT_MIRRORED: Final = {
    "message.timestamp.type": "a mirror keeps timestamps, as CreateTime",
    "message.timestamp.difference.max.ms": "a mirror writes old timestamps",
    "message.timestamp.before.max.ms": "a mirror writes old timestamps",
    "message.timestamp.after.max.ms": "a mirror writes old timestamps",
}
# Topics of clusters; most say themselves that they are internal.
OF_CLUSTERS: Final = frozenset(
    {
        *("__consumer_offsets", "__transaction_state", "__share_group_state"),
        *("__cluster_metadata", "__remote_log_metadata"),
    }
)
OF_MIRRORS: Final = re.compile(
    r"mm2-(configs|offsets|status|offset-syncs)\..+\.internal"
    r"|.+\.checkpoints\.internal|(.+\.)?heartbeats"
)

Properties = Mapping[str, tuple[str, bool]]


def is_of_users(topic: TopicDescription) -> bool:
    """Whether it is neither the cluster's own nor one that MirrorMaker keeps for itself."""
    return not (topic.is_internal or topic.name in OF_CLUSTERS or is_of_mirrors(topic.name))


def is_of_mirrors(name: str) -> bool:
    """Whether it is named as those that MirrorMaker keeps for itself."""
    return OF_MIRRORS.fullmatch(name) is not None


def topics_apart(
    a: Mapping[str, TopicDescription], b: Mapping[str, TopicDescription]
) -> Iterator[Difference]:
    """Topics of one side only, and numbers of partitions."""
    for name in sorted({*a, *b}):
        counts = [str(len(side[name].partitions)) if name in side else None for side in (a, b)]
        if None in counts:
            texts = [None if each is None else "there" for each in counts]
            yield Difference(Kind.TOPIC, name, a=texts[0], b=texts[1])
        elif counts[0] != counts[1]:
            yield Difference(Kind.PARTITIONS, name, a=counts[0], b=counts[1])


def configs_apart(
    topic: str, a: Properties, b: Properties, *, is_mirror: bool
) -> Iterator[Difference]:
    """Properties that were given to the topic on one side, and have another value on the other.

    What is a default on both sides is the brokers' own matter.
    """
    reasons = {**OF_THE_MACHINES, **(NOT_MIRRORED if is_mirror else {})}
    for name in sorted({*a, *b}):
        mine, theirs = a.get(name), b.get(name)
        is_given = any(each is not None and each[1] for each in (mine, theirs))
        values = [None if each is None else each[0] for each in (mine, theirs)]
        if is_given and values[0] != values[1]:
            yield Difference(
                *(Kind.CONFIG, topic, -1, name, -1, -1, values[0], values[1]),
                reasons.get(name, ""),
            )


def positions_apart(
    a: Mapping[str, Committed],
    b: Mapping[str, Committed],
    topics: Collection[str],
    is_same: Callable[[TopicPartition, int, int], bool],
) -> Iterator[Difference]:
    """What groups have committed for these topics.

    Args:
        is_same: whether a position in A and one in B have the same records before them.
    """
    nobody = Committed({}, is_at_work=False)
    for name in sorted({*a, *b}):
        mine, theirs = a.get(name, nobody), b.get(name, nobody)
        why = AT_WORK if mine.is_at_work or theirs.is_at_work else ""
        for place in sorted({*mine.offsets, *theirs.offsets}):
            if place.topic not in topics:
                continue
            one, other = mine.offsets.get(place), theirs.offsets.get(place)
            if (
                one is not None
                and other is not None
                and one.metadata == other.metadata
                and is_same(place, one.offset, other.offset)
            ):
                continue
            cells = [
                None if each is None else f"{each.offset} {each.metadata}".strip()
                for each in (one, other)
            ]
            yield Difference(Kind.POSITION, *place, name, -1, -1, cells[0], cells[1], why)
