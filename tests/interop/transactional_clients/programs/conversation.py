"""How every client program of this folder is spoken to, in whichever language:

    PROGRAM transact BOOTSTRAP TOPIC SOURCE GROUP ID    one line in, one line out, until the end:
        in   {"do": "commit" | "abort" | "zombie", "name": NAME, "offset": N}
        out  {"attempts": [OUTCOME, …], "said": [error, …]}
    PROGRAM read BOOTSTRAP TOPIC                        with read_committed, from the beginning,
        {"partition": …, "offset": …, "value": …} a line, until "end" was read in each partition

Attempt A of a transaction writes NAME/A/P to each partition P, commits N as GROUP's offset of
partition 0 of SOURCE, and ends. An outcome is what the client was told: committed, aborted, fenced,
unknown (it asked to commit and gave up), dropped (it gave up before). What was aborted or dropped
and shall be committed is tried again; whoever gives up goes on as a new producer with the same id.
"zombie": what is written is not ended before a second producer has begun; then the first commits.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

PARTITIONS = 4
END = "end"
TIMEOUT_MS = 60_000  # of a transaction


class Place(NamedTuple):
    """What the producers of a program have in common."""

    bootstrap: str
    topic: str
    source: str
    group: str
    transactional_id: str


class Producer(Protocol):
    """One instance of a transactional producer. Everything raises what its client raises."""

    def start(self) -> None: ...
    def write(self, values: list[bytes], offset: int) -> None: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def is_fenced(self, error: Exception) -> bool: ...
    def may_abort(self, error: Exception) -> bool: ...


Record = tuple[int, int, bytes]
"""(partition, offset, value)."""


class Transacting:
    """Does what it is told, line by line."""

    def __init__(self, make: Callable[[], Producer]) -> None:
        self._make = make
        self._said: list[str] = []
        self._producer = self._renewed()

    def perform(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command; returns its answer."""
        self._said = []
        outcomes = []
        for attempt in itertools.count():
            values = [f"{command['name']}/{attempt}/{p}".encode() for p in range(PARTITIONS)]
            match command["do"]:
                case "zombie":
                    outcome = self._be_zombie(values, command["offset"])
                case do:
                    outcome = self._attempt(values, command["offset"], is_commit=do == "commit")
            outcomes.append(outcome)
            is_over = outcome not in ("aborted", "dropped") or command["do"] == "abort"
            if outcome in ("fenced", "unknown", "dropped") and command["do"] != "zombie":
                self._producer.close()
                self._producer = self._renewed()
            if is_over:
                return {"attempts": outcomes, "said": self._said}
        raise AssertionError

    def _attempt(self, values: list[bytes], offset: int, *, is_commit: bool) -> str:
        is_asked = False
        try:
            self._producer.write(values, offset)
            if not is_commit:
                self._producer.abort()
                return "aborted"
            is_asked = True
            self._producer.commit()
            return "committed"
        except Exception as error:
            return self._after(error, "unknown" if is_asked else "dropped")

    def _after(self, error: Exception, otherwise: str) -> str:
        """What is to be said of a transaction that failed, once all was tried."""
        self._say(error)
        if self._producer.is_fenced(error):
            return "fenced"
        if not self._producer.may_abort(error):
            return otherwise
        try:
            self._producer.abort()
        except Exception as worse:
            self._say(worse)
            return otherwise
        return "aborted"

    def _be_zombie(self, values: list[bytes], offset: int) -> str:
        zombie = self._producer
        try:
            zombie.write(values, offset)
        except Exception as error:
            outcome = self._after(error, "dropped")
            if outcome != "aborted":
                zombie.close()
                self._producer = self._renewed()
            return outcome
        self._producer = self._renewed()
        try:
            zombie.commit()
        except Exception as error:
            self._say(error)
            return "fenced" if zombie.is_fenced(error) else "unknown"
        finally:
            zombie.close()
        return "committed"

    def _renewed(self) -> Producer:
        """A producer that has its id. The broker may be away: whoever started this ends it."""
        while True:
            producer = self._make()
            try:
                producer.start()
            except Exception as error:
                self._say(error)
                producer.close()
            else:
                return producer

    def _say(self, error: Exception) -> None:
        self._said.append(f"{type(error).__name__}: {error}"[:500])


def run(make: Callable[[Place], Producer], read: Callable[[str, str], Iterator[Record]]) -> None:
    """Do what the arguments of this process say."""
    match sys.argv[1:]:
        case ["transact", *place]:
            transacting = Transacting(lambda: make(Place(*place)))
            for line in sys.stdin:
                print(json.dumps(transacting.perform(json.loads(line))), flush=True)
        case ["read", bootstrap, topic]:
            open_partitions = set(range(PARTITIONS))
            for partition, offset, data in read(bootstrap, topic):
                value = data.decode()
                fields = {"partition": partition, "offset": offset, "value": value}
                print(json.dumps(fields), flush=True)
                if value == END:
                    open_partitions.discard(partition)
                if not open_partitions:
                    return
        case _:
            sys.exit(__doc__)
