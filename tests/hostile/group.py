"""EDGE: a group of two members that reads what the good client writes, in a process of its own.

Nobody may disturb it: no member leaves, so nothing is read twice, and in the end it has read every
record once.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple

import confluent_kafka

from tests.fuzz.bystander import TOPIC

GROUP = "bystanders"
MEMBERS = 2
POLL_S = 0.05
READ_S, END_S = 60.0, 90.0
RECORDS_A_POLL = 1_000
_SPAWN = multiprocessing.get_context("spawn")


class Read(NamedTuple):
    """What the group has read: offsets in the order of reading, and errors other than waits."""

    offsets: list[int]
    errors: list[str]


class Group:
    """At work from the start until `finish`."""

    def __init__(self, port: int) -> None:
        self._until = _SPAWN.Value("q", -1)
        self._results, theirs = _SPAWN.Pipe(duplex=False)
        arguments = (port, self._until, theirs)
        self._process = _SPAWN.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    def finish(self, records: int) -> Read:
        """Let it read up to that many records, for READ_S at most, and hear it."""
        self._until.value = records
        if not self._results.poll(END_S):
            raise TimeoutError("the group does not come to an end")
        read: Read = self._results.recv()
        self._process.join(END_S)
        return read


def _run(port: int, until: Any, results: Pipe) -> None:
    read = Read([], [])

    def note(error: object) -> None:
        read.errors.append(str(error))

    settings = {
        "bootstrap.servers": f"127.0.0.1:{port}",
        "group.id": GROUP,
        "auto.offset.reset": "earliest",
        "error_cb": note,
    }
    members = [confluent_kafka.Consumer(settings) for _ in range(MEMBERS)]
    for member in members:
        member.subscribe([TOPIC])
    deadline = float("inf")
    while until.value < 0 or (len(read.offsets) < until.value and time.monotonic() < deadline):
        if until.value >= 0:
            deadline = min(deadline, time.monotonic() + READ_S)
        for member in members:
            for message in member.consume(RECORDS_A_POLL, timeout=POLL_S):
                offset = message.offset()
                if message.error() or offset is None:
                    note(message.error())
                else:
                    read.offsets.append(offset)
    for member in members:
        member.close()
    results.send(read)
