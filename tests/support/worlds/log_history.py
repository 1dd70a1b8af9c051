"""Judges a broker's history: what was asked, what was promised, what is stored. Knows no code.

The promises to each record are those of minibroker.testing.findings. What is added here: batches
are whole, offsets follow on, topics have lives and retention, what a reader was given stays, and
no producer id is given out twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from minibroker.testing import Acknowledged, Failed, Kept, Sent
from minibroker.testing import findings as record_findings

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
        at.setdefault(value, stored_at)
    told = [
        Sent(0, value, outcome, batch.sender)
        for batch in sent
        for value, outcome in _outcomes(batch, begin, at)
    ]
    kept = {0: [Kept(*each) for each in values]}
    found += [f"{each.broken.value}: {each.text}" for each in record_findings(told, kept)]
    for batch in sent:
        here = [at[value] for value in batch.values if value in at]
        if here and here != [*range(here[0], here[0] + len(batch.values))]:
            found.append(f"torn: {batch.values!r} is at {here}")
    return found


def _outcomes(
    batch: SentBatch, begin: int, at: Mapping[bytes, int]
) -> Iterator[tuple[bytes, Acknowledged | Failed]]:
    """Each value, and what its producer was told; what retention may have removed is in doubt."""
    for number, value in enumerate(batch.values):
        offset = -1 if batch.acknowledged_at is None else batch.acknowledged_at + number
        may_be_gone = offset < begin and value not in at
        told = batch.acknowledged_at is not None and not may_be_gone
        yield value, Acknowledged(offset) if told else Failed(possibly_persisted=True)


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
