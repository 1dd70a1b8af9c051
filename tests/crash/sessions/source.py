"""A source of numbered lines, where each belongs, and what is wrong with what became of them.

Half of the lines go to partition 0, so that its batches are full while others wait for linger_ms.
Tests: tests/unit/test_crash_sessions.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random

SOURCE = "lines"
TOLD_MAX = 5


def line(number: int) -> bytes:
    """What is sent as the `number`-th line."""
    return b"%07d" % number


def partitions_of(seed: int, count: int, partition_count: int) -> list[int]:
    """Where each line belongs."""
    random = Random(seed)
    return [0 if random.random() < 0.5 else random.randrange(partition_count) for _ in range(count)]


def wrong(places: Sequence[int], stored: Mapping[int, Sequence[bytes | None]]) -> list[str]:
    """What is missing, doubled, out of order or strange, by partition; nothing if all is well.

    Args:
        places: the partition of each line.
        stored: by partition, all values in the order of their offsets.
    """
    found: list[str] = []
    for partition in sorted({*places, *stored}):
        expected = [line(number) for number, place in enumerate(places) if place == partition]
        values = [*stored.get(partition, ())]
        if values == expected:
            continue
        known, there = set(expected), set(values)
        firsts = [value for value in dict.fromkeys(values) if value is not None and value in known]
        told: dict[str, list[bytes | None]] = {
            "missing": [value for value in expected if value not in there],
            "doubled": [value for value, often in Counter(values).items() if often > 1],
            "strange": [value for value in values if value not in known],
            "out of order": [late for late, early in pairwise(firsts) if late > early],
        }
        found += [
            f"partition {partition}: {len(each)} {what}: {each[:TOLD_MAX]}"
            for what, each in told.items()
            if each
        ]
    return found
