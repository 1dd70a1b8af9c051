"""Judges what real clients were promised through crashes against what is stored. Knows no code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tests.support.processes.load import value_of

PARTITIONS = 2


class Promise(NamedTuple):
    """An acknowledgement: offset is -1 where the client was told no more than that it is stored."""

    number: int
    partition: int
    offset: int


class StoredLog(NamedTuple):
    """A partition as it was read: where it begins, and (offset, value) of every record."""

    start_offset: int
    records: Sequence[tuple[int, bytes]]


def judge(promised: Mapping[str, Sequence[Promise]], logs: Sequence[StoredLog]) -> list[str]:
    """Everything wrong, one sentence each; empty if all is well.

    Args:
        promised: what each client was promised so far.
        logs: each partition of the topic.
    """
    found: list[str] = []
    for partition, log in enumerate(logs):
        at: dict[bytes, int] = {}
        newest: dict[str, int] = {}
        for offset, value in log.records:
            client, number = _named(value)
            if client not in promised or value != value_of(client, number):
                found.append(f"invented: {value!r} at {partition}:{offset}")
                continue
            if number % PARTITIONS != partition:
                found.append(f"misplaced: {value!r} at {partition}:{offset}")
            if value in at:
                found.append(f"duplicated: {value!r} at {partition}:{at[value]} and {offset}")
            elif number <= newest.get(client, -1):
                found.append(f"reordered: {value!r} at {partition}:{offset}")
            at.setdefault(value, offset)
            newest[client] = max(number, newest.get(client, -1))
        for client, promises in promised.items():
            mine = (each for each in promises if each.partition == partition)
            found += _broken(client, log.start_offset, at, mine)
    return found


def _broken(
    client: str, start_offset: int, at: Mapping[bytes, int], mine: Iterable[Promise]
) -> list[str]:
    found = []
    for promise in mine:
        stored_at = at.get(value_of(client, promise.number))
        if promise.offset < 0:
            continue  # it may have been removed by retention since
        if stored_at != promise.offset and promise.offset >= start_offset:
            found.append(f"lost: {client} {promise.number}, promised {promise}, at {stored_at}")
    return found


def _named(value: bytes) -> tuple[str, int]:
    """(client, number) of a value; ("", -1) for what no client has written."""
    words = value.split(b" ")
    if len(words) != 3 or not words[1].isdigit():
        return "", -1
    return words[0].decode(errors="replace"), int(words[1])
