"""Judges what a producer was told against what is stored. Knows nothing but the history.

    sent = [Sent(partition=0, value=b"1", outcome=Acknowledged(0)), ...]
    for finding in findings(sent, {0: [Kept(0, b"1"), ...]}):
        print(finding.text)

The promises: an acknowledged record is stored once, at its offset; what failed for certain is not
stored; what may have been stored is there once at most; nothing is invented; what one sender sent
to a partition stands in the order in which it was sent; everything sent has an outcome.
Every value is sent once only: that is how records are told apart.
Read next: stored.py, which reads a partition of any Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple, TypeAlias

OFFSET_UNKNOWN = -1


class Acknowledged(NamedTuple):
    """The broker has confirmed the record, at this offset or, if it is -1, somewhere."""

    offset: int


class Failed(NamedTuple):
    """The sender was told of a failure."""

    possibly_persisted: bool
    why: str = ""


class Kept(NamedTuple):
    """A record as it is stored."""

    offset: int
    value: bytes


@dataclass(slots=True)
class Sent:
    """A record that was handed to a producer.

    Attributes:
        outcome: None while none is known.
        sender: who sent it; order is promised to each sender alone.
    """

    partition: int
    value: bytes
    outcome: Acknowledged | Failed | None = None
    sender: str = ""


class Broken(Enum):
    """Which promise was broken."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    INVENTED = "invented"
    WRONG_OFFSET = "wrong offset"
    STORED_AFTER_ALL = "stored after all"
    HANGING = "hanging"


class Finding(NamedTuple):
    """Something wrong, and the records that show it."""

    broken: Broken
    text: str
    sent: tuple[Sent, ...] = ()
    kept: tuple[Kept, ...] = ()


Places: TypeAlias = Mapping[bytes, Sequence[Kept]]


def findings(sent: Sequence[Sent], stored: Mapping[int, Sequence[Kept]]) -> list[Finding]:
    """Everything wrong; empty if all is well.

    Args:
        sent: in the order in which each sender sent.
        stored: of every partition, what it holds in offset order.
    """
    found: list[Finding] = []
    for partition in sorted({*stored, *(each.partition for each in sent)}):
        mine = [each for each in sent if each.partition == partition]
        places: dict[bytes, list[Kept]] = {}
        for kept in stored.get(partition, ()):
            places.setdefault(kept.value, []).append(kept)
        found += _not_sent_so(partition, mine, places)
        for each in mine:
            found += _promises(each, places.get(each.value, ()))
        found += _order(mine, places)
    return found


def _not_sent_so(partition: int, mine: Sequence[Sent], places: Places) -> Iterator[Finding]:
    known = {each.value for each in mine}
    for value, kept in places.items():
        if value not in known:
            text = f"partition {partition} holds {_shown(kept)}, which nobody sent there"
            yield Finding(Broken.INVENTED, text, kept=tuple(kept))


def _promises(each: Sent, kept: Sequence[Kept]) -> Iterator[Finding]:
    outcome, what = each.outcome, _named(each)
    if len(kept) > 1:
        text = f"{what} is stored {len(kept)} times: {_shown(kept)}"
        yield Finding(Broken.DUPLICATED, text, (each,), tuple(kept))
    if outcome is None:
        yield Finding(Broken.HANGING, f"{what} has no outcome", (each,), tuple(kept))
    elif isinstance(outcome, Failed):
        if kept and not outcome.possibly_persisted:
            text = f"{what} failed for certain ({outcome.why}) and is stored: {_shown(kept)}"
            yield Finding(Broken.STORED_AFTER_ALL, text, (each,), tuple(kept))
    elif not kept:
        text = f"{what} was acknowledged at offset {outcome.offset} and is not stored"
        yield Finding(Broken.LOST, text, (each,))
    elif outcome.offset not in (OFFSET_UNKNOWN, *(one.offset for one in kept)):
        text = f"{what} was acknowledged at offset {outcome.offset} and is at {_shown(kept)}"
        yield Finding(Broken.WRONG_OFFSET, text, (each,), tuple(kept))


def _order(mine: Sequence[Sent], places: Places) -> Iterator[Finding]:
    """Neighbours among what one sender sent whose first copies stand the other way round."""
    by_sender: dict[str, list[Sent]] = {}
    for each in mine:
        if each.value in places:
            by_sender.setdefault(each.sender, []).append(each)
    for stored in by_sender.values():
        for before, after in pairwise(stored):
            first, second = places[before.value][0], places[after.value][0]
            if first.offset > second.offset:
                text = (
                    f"{_named(after)} was sent behind {before.value!r} and stands before it: "
                    f"{_shown((second, first))}"
                )
                yield Finding(Broken.REORDERED, text, (before, after), (second, first))


def _named(each: Sent) -> str:
    return f"{each.value!r} of partition {each.partition}"


def _shown(kept: Sequence[Kept]) -> str:
    return ", ".join(f"{each.value!r} at offset {each.offset}" for each in kept)
