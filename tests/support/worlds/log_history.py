"""Judges a broker's history: what was asked, what was promised, what is stored. Knows no code.

Each acknowledged batch is stored once, whole, at its promised offset; what was never acknowledged
at most once; nothing is invented; what is stored of a producer stands in the order in which it was
sent; what a reader was given stays; no producer id is given out twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

Place = tuple[str, int]
"""A partition: (topic, number)."""


class StoredBatch(NamedTuple):
    """A batch as it was read back; `values` are (offset, value)."""

    base_offset: int
    producer_id: int
    wire: bytes
    values: tuple[tuple[int, bytes], ...]


class StoredLog(NamedTuple):
    """A partition as it was read back, from its first offset on."""

    start_offset: int
    batches: Sequence[StoredBatch]


@dataclass(eq=False)
class SentBatch:
    """A batch that was handed to a producer.

    Args:
        life: of the topic; a topic that was deleted and created again has another one.
        values: one for each record, unlike all others.
        producer_id: it is sent under.
        wire: the batch as it is sent, each time the same.
    """

    place: Place
    life: int
    sender: str
    values: tuple[bytes, ...]
    producer_id: int
    wire: bytes
    acknowledged_at: int | None = None


@dataclass
class History:
    """Everything the clients saw.

    Attributes:
        lives: the present life of each topic that was acknowledged and not asked to be deleted.
        gone: topics whose deletion was acknowledged and that nobody asked to create again.
        seen: values by offset, as readers were given them.
        wrong: what is wrong already.
        expires: whether retention may remove what was acknowledged.
    """

    sent: list[SentBatch] = field(default_factory=list)
    producer_ids: list[int] = field(default_factory=list)
    lives: dict[str, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    seen: dict[Place, dict[int, bytes]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    expires: bool = False

    def acknowledged_count(self) -> int:
        """Batches that were acknowledged."""
        return sum(each.acknowledged_at is not None for each in self.sent)


def findings(history: History, stored: Mapping[Place, StoredLog]) -> list[str]:
    """Everything wrong with what is stored now, one sentence each; empty if all is well.

    Args:
        stored: every partition of every topic in `history.lives`.
    """
    found = list(history.wrong)
    found += judge_producer_ids(history.producer_ids)
    for place, log in stored.items():
        mine = _sent_to(history, place)
        begin = log.start_offset if history.expires else 0
        values = [value for batch in log.batches for value in batch.values]
        found += [f"{place}: {each}" for each in _judge_partition(mine, begin, values)]
        seen = history.seen.get(place, {})
        found += [f"{place}: {each}" for each in _judge_seen(seen, begin, values)]
    return found


def judge_topics(history: History, names: Sequence[str]) -> list[str]:
    """What is wrong with the topics that there are."""
    there = set(names)
    lost = [f"lost: topic {name}" for name in history.lives if name not in there]
    return lost + [f"came back: topic {name}" for name in history.gone if name in there]


def judge_producer_ids(producer_ids: Sequence[int]) -> list[str]:
    """What is wrong with the ids that were given out."""
    counts = Counter(producer_ids)
    return [f"producer id {each} was given out {n} times" for each, n in counts.items() if n > 1]


def _sent_to(history: History, place: Place) -> list[SentBatch]:
    life = history.lives[place[0]]
    return [each for each in history.sent if each.place == place and each.life == life]


def _judge_partition(
    sent: Sequence[SentBatch], begin: int, values: Sequence[tuple[int, bytes]]
) -> list[str]:
    found = []
    offsets = [offset for offset, _ in values]
    if any(after != before + 1 for before, after in pairwise(offsets)):
        found.append(f"offsets do not follow on: {offsets}")
    at: dict[bytes, int] = {}
    for stored_at, value in values:
        if value in at:
            found.append(f"duplicated: {value!r} at {at[value]} and {stored_at}")
        at[value] = stored_at
    known = {value for each in sent for value in each.values}
    found += [f"invented: {value!r} at {at[value]}" for value in at if value not in known]
    ends: dict[str, tuple[int, bytes]] = {}
    for each in sent:
        places = [at.get(value) for value in each.values]
        promised = each.acknowledged_at
        if promised is not None and promised + len(places) > begin:
            for number, (value, offset) in enumerate(zip(each.values, places, strict=True)):
                if offset is None and promised + number >= begin:
                    found.append(f"lost: {value!r}, acknowledged at {promised + number}")
                elif offset is not None and offset != promised + number:
                    found.append(f"moved: {value!r} at {offset}, promised {promised + number}")
        here = [place for place in places if place is not None]
        if here and len(here) != len(places):
            found.append(f"torn: of {each.values!r} only {len(here)}")
        if here:
            before, last = ends.get(each.sender, (-1, b""))
            if here[0] < before:
                found.append(f"reordered: {each.values[0]!r} at {here[0]}, {last!r} at {before}")
            ends[each.sender] = here[-1], each.values[-1]
    return found


def _judge_seen(
    seen: Mapping[int, bytes], begin: int, values: Sequence[tuple[int, bytes]]
) -> list[str]:
    now = dict(values)
    return [
        f"was read and is gone: {value!r} at {offset}, now {now.get(offset)!r}"
        for offset, value in seen.items()
        if now.get(offset) != value and offset >= begin
    ]


def newest_of_each(
    history: History, place: Place, log: StoredLog, window: int
) -> list[StoredBatch]:
    """The newest `window` batches of every producer id, oldest first.

    They are those in the log and those that were acknowledged and have been removed since.
    """
    known = {
        each.acknowledged_at: StoredBatch(each.acknowledged_at, each.producer_id, each.wire, ())
        for each in _sent_to(history, place)
        if each.acknowledged_at is not None
    }
    known |= {each.base_offset: each for each in log.batches}
    by_id: dict[int, list[StoredBatch]] = {}
    for _, batch in sorted(known.items()):
        by_id.setdefault(batch.producer_id, []).append(batch)
    return [batch for each in by_id.values() for batch in each[-window:]]
