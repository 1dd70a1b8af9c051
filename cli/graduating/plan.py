"""What of two clusters stands in the way of a graduation, from what both say of themselves.

Pure: facts in, findings out. What a mirror cannot take along is named, too, as something to know.
Tests: tests/unit/cli/graduating/test_plan.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..comparing.described import NOT_MIRRORED, OF_THE_MACHINES

# api key -> (name, lowest version that the mirror and the clients need, who needs it)
NEEDED_OF_NEW: Final = {
    0: ("Produce", 3, "records with headers"),
    22: ("InitProducerId", 0, "producers that repeat exactly once"),
    26: ("EndTxn", 0, "a mirror that copies exactly once"),
    32: ("DescribeConfigs", 0, "configurations"),
}
NEEDED_OF_OLD: Final = {
    1: ("Fetch", 4, "records as they are stored"),
    9: ("OffsetFetch", 1, "positions of groups"),
    32: ("DescribeConfigs", 0, "configurations"),
}
CLASSIC: Final = ("", "classic", "consumer")  # types of groups whose positions are offsets
REPLICAS_WANTED: Final = 3
INTERNAL_ENDS: Final = (".internal", "-internal")


class Finding(NamedTuple):
    """One thing that was looked at; `stops` where it stands in the way."""

    what: str
    said: str
    stops: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What was asked.

    Args:
        versions: the highest version of each API, by key, of old and new.
        topics: number of partitions of what is to be mirrored.
        taken: topics of these names in the new cluster, with their number of partitions.
        size_bytes: of all logs in the old cluster; None where it does not tell.
        usable_bytes: of all brokers of the new one; None where one does not tell.
        refused: what the new cluster says of topics it would not create.
        group_types: of each group, "" where it is not told.
        transactional_ids: how many the old cluster knows.
        left_out: topics of the old cluster that are named as MirrorMaker's own.
        compacted: topics of which only the newest record of a key is to stay.
        longest_bytes: the longest batch that one of the topics takes.
        rights_missing: what whoever asks may not do, and has to.
        sees_all: whether it is likely that the old cluster hides nothing from whoever asks.
    """

    cluster_ids: tuple[str, str]
    versions: tuple[Mapping[int, int], Mapping[int, int]]
    topics: Mapping[str, int]
    taken: Mapping[str, int]
    replication_factor: int
    size_bytes: int | None
    usable_bytes: int | None
    refused: Mapping[str, str]
    group_types: Mapping[str, str]
    transactional_ids: int
    left_out: Sequence[str] = ()
    compacted: Sequence[str] = ()
    longest_bytes: int = 0
    rights_missing: Sequence[str] = ()
    sees_all: bool = True


def replication_factor(brokers: int) -> int:
    """How many copies topics get where nobody says."""
    return min(REPLICAS_WANTED, brokers)


def configs_to_take(
    configs: Mapping[str, tuple[str, bool]],
) -> dict[str, str]:
    """Of a topic's properties those that are its own, and not the old machines'."""
    left_out = {**OF_THE_MACHINES, **NOT_MIRRORED}
    return {
        name: value
        for name, (value, is_given) in configs.items()
        if is_given and name not in left_out
    }


def findings(facts: Facts) -> Iterator[Finding]:
    """All that was looked at, in order."""
    old, new = facts.cluster_ids
    if old == new:
        yield Finding("clusters", f"both are {old}: nothing is to be moved", stops=True)
    yield from _versions("old", facts.versions[0], NEEDED_OF_OLD)
    yield from _versions("new", facts.versions[1], NEEDED_OF_NEW)
    count = sum(facts.topics.values())
    yield Finding("topics", f"{len(facts.topics)} of {count} partitions", stops=not facts.topics)
    yield from _names(facts)
    for name, why in facts.refused.items():
        yield Finding("topics", f"the new cluster would not create {name}: {why}", stops=True)
    if facts.left_out:
        yield Finding("topics", f"left out, named as MirrorMaker's own: {_some(facts.left_out)}")
    if facts.compacted:
        yield Finding(
            "topics",
            f"compacted: {_some(facts.compacted)}; a record without a key would stop the mirror: "
            "Kafka takes none there",
        )
    yield from _rights(facts)
    yield _disk(facts)
    other = [name for name, kind in facts.group_types.items() if kind.lower() not in CLASSIC]
    yield Finding("groups", f"{len(facts.group_types) - len(other)} with positions to be moved")
    if other:
        yield Finding("groups", f"not moved, their positions are no offsets: {_some(other)}")
    if facts.transactional_ids:
        yield Finding(
            "transactions",
            f"{facts.transactional_ids} transactional ids stay behind: under the same id producers "
            "begin anew in the new cluster, once what is open in the old one has ended",
        )
    yield Finding("access", "users, rules of access and quotas are not mirrored: make them anew")


def _versions(
    label: str, versions: Mapping[int, int], needed: Mapping[int, tuple[str, int, str]]
) -> Iterator[Finding]:
    missing = [
        f"{name} v{lowest} ({why})"
        for key, (name, lowest, why) in needed.items()
        if versions.get(key, -1) < lowest
    ]
    if missing:
        said = f"the {label} cluster does not have {', '.join(missing)}"
        yield Finding("versions", said, stops=True)
    else:
        yield Finding("versions", f"the {label} cluster has all that is needed")


def _rights(facts: Facts) -> Iterator[Finding]:
    if facts.rights_missing:
        said = f"missing: {'; '.join(facts.rights_missing)}"
        yield Finding("rights", said, stops=True)
    if not facts.sees_all:
        yield Finding(
            "rights",
            "topics and groups that this user may not describe in the old cluster are not seen, "
            "and are not moved",
        )


def is_mirrored(name: str) -> bool:
    """Whether MirrorMaker mirrors a topic of this name, under the same name.

    Source: ReplicationPolicy.isInternalTopic, IdentityReplicationPolicy.looksLikeHeartbeat (Java).
    """
    return not (name.startswith(("__", ".")) or name.endswith((*INTERNAL_ENDS, "heartbeats")))


def _names(facts: Facts) -> Iterator[Finding]:
    never = sorted(name for name in facts.topics if not is_mirrored(name))
    if never:
        yield Finding(
            "names",
            f"MirrorMaker leaves out, or renames: {_some(never)}; name the others with --topics, "
            "and take these along in another way",
            stops=True,
        )
    for name in sorted({*facts.topics} & {*facts.taken}):
        wanted, there = facts.topics[name], facts.taken[name]
        if wanted != there:
            said = f"{name} is there already, with {there} partitions, not {wanted}"
            yield Finding("names", f"{said}; delete it, or leave it out", stops=True)
    same = [name for name in facts.topics if facts.taken.get(name) == facts.topics[name]]
    if same:
        yield Finding(
            "names",
            f"{len(same)} are there already; what they hold must be what the mirror has copied",
        )


def _disk(facts: Facts) -> Finding:
    if facts.size_bytes is None or facts.usable_bytes is None:
        return Finding("disk", "not known: a broker does not tell what it has")
    needed = facts.size_bytes * facts.replication_factor
    said = (
        f"{_mb(needed)} for {facts.replication_factor} copies, {_mb(facts.usable_bytes)} are free"
    )
    return Finding("disk", said, stops=needed > facts.usable_bytes)


def _mb(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB"


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
