"""What workers of process() do with a number, and what must come of all numbers; pure.

Every number is read from one partition and comes to none, one or three outputs, or to a dead
letter. The first output goes to the partition with the number of its input's, so that order can be
judged; the others anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from minibroker.client import ConsumerRecord, Output

FINDINGS_MAX = 5


class Unlucky(ValueError):
    """The handler cannot handle this one."""


def is_dead(number: int) -> bool:
    """Whether it cannot be handled."""
    return number % 13 == 7


def output_count(number: int) -> int:
    """How many outputs it comes to."""
    if is_dead(number) or number % 10 == 3:
        return 0
    return 3 if number % 10 == 5 else 1


def outputs_of(
    record: ConsumerRecord[bytes | None, bytes | None], topic: str, partitions: int
) -> Iterator[Output]:
    """What a worker's handler gives, for a topic of so many partitions. Raises Unlucky."""
    number = int(record.value or b"")
    if is_dead(number):
        raise Unlucky(number)
    for part in range(output_count(number)):
        partition = record.partition if part == 0 else (number + part) % partitions
        yield Output(topic, b"%d/%d" % (number, part), key=record.key, partition=partition)


def wanted_outputs(count: int) -> set[bytes]:
    """All that must come of the inputs 0 to count - 1."""
    return {b"%d/%d" % (each, part) for each in range(count) for part in range(output_count(each))}


def wanted_dead_letters(count: int) -> set[bytes]:
    """All that must go to the dead letter topic."""
    return {b"%d" % each for each in range(count) if is_dead(each)}


def findings(
    count: int, outputs: Mapping[int, Sequence[bytes]], dead: Iterable[bytes]
) -> Iterator[str]:
    """What is wrong with all that is committed, the inputs being 0 to count - 1.

    Args:
        outputs: the values of each partition, in their order.
    """
    got = Counter(value for values in outputs.values() for value in values)
    yield from _differences("outputs", wanted_outputs(count), got)
    yield from _differences("dead letters", wanted_dead_letters(count), Counter(dead))
    for partition, values in outputs.items():
        firsts = [int(value[:-2]) for value in values if value.endswith(b"/0")]
        if any(after < before for before, after in pairwise(firsts)):
            yield f"out of order in partition {partition}"


def _differences(name: str, wanted: set[bytes], got: Counter[bytes]) -> Iterator[str]:
    groups = {
        "missing": wanted - got.keys(),
        "too often": {value for value, times in got.items() if times > 1},
        "of nobody": got.keys() - wanted,
    }
    for what, values in groups.items():
        if values:
            some = ", ".join(value.decode() for value in sorted(values)[:FINDINGS_MAX])
            yield f"{len(values)} {name} {what}: {some}"
