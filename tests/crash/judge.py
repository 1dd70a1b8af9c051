"""Judges what real clients were promised through crashes against what is stored. Knows no code.

The promises are those of minibroker.testing.findings. What is added here: values tell who wrote
them, which number it has and so its partition; what is stored without a promise was sent all the
same; and what retention may have removed, nobody misses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from minibroker.testing import Acknowledged, Failed, Kept, Sent, findings

from tests.support.processes.load import value_of

PARTITIONS = 2
IN_DOUBT = Failed(possibly_persisted=True)


class Promise(NamedTuple):
    """An acknowledgement: offset is -1 where the client was told no more than that it is stored."""

    number: int
    partition: int
    offset: int


class LogRecords(NamedTuple):
    """A partition as it was read: where it begins, and (offset, value) of every record."""

    start_offset: int
    records: Sequence[tuple[int, bytes]]


def judge(promised: Mapping[str, Sequence[Promise]], logs: Sequence[LogRecords]) -> list[str]:
    """Everything wrong, one sentence each; empty if all is well.

    Args:
        promised: what each client was promised so far.
        logs: each partition of the topic.
    """
    found = [
        f"misplaced: {client} {each.number} is promised in partition {each.partition}"
        for client, promises in promised.items()
        for each in promises
        if each.partition != each.number % PARTITIONS
    ]
    values = {value for log in logs for _, value in log.records}
    sent = [
        each
        for client, promises in promised.items()
        for each in _sent_by(client, promises, values, logs)
    ]
    stored = {index: [Kept(*each) for each in log.records] for index, log in enumerate(logs)}
    return found + [f"{each.broken.value}: {each.text}" for each in findings(sent, stored)]


def _sent_by(
    client: str, promises: Iterable[Promise], values: set[bytes], logs: Sequence[LogRecords]
) -> list[Sent]:
    """All that a client has sent, as far as promises or logs tell, in its order."""
    outcomes: dict[int, Acknowledged | Failed] = {}
    for name, number in map(_named, values):
        if name == client and value_of(client, number) in values:
            outcomes[number] = IN_DOUBT
    for number, _, offset in promises:
        begin = logs[number % PARTITIONS].start_offset
        if value_of(client, number) in values or offset >= begin or not begin:
            outcomes[number] = Acknowledged(offset)
    return [
        Sent(number % PARTITIONS, value_of(client, number), outcome, client)
        for number, outcome in sorted(outcomes.items())
    ]


def _named(value: bytes) -> tuple[str, int]:
    """(client, number) of a value; ("", -1) for what no client has written."""
    words = value.split(b" ")
    if len(words) != 3 or not words[1].isdigit():
        return "", -1
    return words[0].decode(errors="replace"), int(words[1])
