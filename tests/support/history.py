"""Judges a producer's history: what was sent, what was promised, what is stored. Knows no code.

Each acknowledged record is stored once, at its promised offset; what failed for certain is not
stored, what may have been stored is there once at most; nothing is invented; what is stored of a
partition stands in the order in which it was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from minibroker.client.errors import ClientError
from minibroker.client.producer_batch import ProducerBatch


class Sent(NamedTuple):
    """A record that was handed to the producer; its value is nobody else's."""

    partition: int
    value: bytes
    batch: ProducerBatch
    place: int


def findings(sent: Sequence[Sent], stored: Sequence[Sequence[bytes]]) -> list[str]:
    """Everything wrong, one sentence each; empty if all is well.

    Args:
        stored: the values of each partition in offset order.
    """
    found = []
    for partition, values in enumerate(stored):
        mine = [each for each in sent if each.partition == partition]
        counts = Counter(values)
        known = {each.value: number for number, each in enumerate(mine)}
        found += [f"invented: {value!r}" for value in counts if value not in known]
        found += [f"duplicated: {value!r}, {n} times" for value, n in counts.items() if n > 1]
        for each in mine:
            found += _broken_promises(each, values, counts[each.value])
        order = [known[value] for value in dict.fromkeys(values) if value in known]
        for before, after in pairwise(order):
            if before > after:
                found.append(f"reordered: {mine[before].value!r} before {mine[after].value!r}")
    return found


def _broken_promises(each: Sent, values: Sequence[bytes], count: int) -> list[str]:
    outcome = each.batch.outcome
    if outcome is None:
        return [f"hanging: {each.value!r}"]
    if isinstance(outcome, ClientError):
        if count and not outcome.possibly_persisted:
            return [f"stored although it was said not to be: {each.value!r}: {outcome}"]
        return []
    if not count:
        return [f"lost: {each.value!r}, acknowledged at {outcome.base_offset}"]
    offset = outcome.base_offset + each.place
    if outcome.base_offset >= 0 and values[offset] != each.value:
        return [f"wrong offset: {each.value!r} is not at {offset}"]
    return []
