"""What a session has come to, in the words of minibroker.testing: a history, and what is read.

The programs say what each attempt was told; nothing else of theirs is believed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from minibroker.testing import (
    Acknowledged,
    Failed,
    Fate,
    Kept,
    TransactionHistory,
    transaction_findings,
)

from tests.interop.transactional_clients.programs.conversation import END, PARTITIONS

NOBODY_KNOWS_WHERE = Acknowledged(-1)
IN_DOUBT = Failed(possibly_persisted=True)
GIVEN_UP = ("fenced", "unknown", "dropped")


class Account:
    """The history of one client, from what its program says.

    Attributes:
        position: the group's offset, if all is well.
        outcomes: of attempts, by what the client was told; "found committed" is of "unknown".
    """

    def __init__(self, client: str, group: str) -> None:
        self.history = TransactionHistory()
        self.position = 0
        self.outcomes: Counter[str] = Counter()
        self.findings: list[str] = []
        self._client = client
        self._group = group
        self._producers = 0
        self._is_in_doubt = False
        self._claim()

    def told(self, name: str, task: str, attempts: Sequence[str]) -> None:
        """A transaction is over, as far as the client knows."""
        offset = self.position + 1
        self.outcomes.update(attempts)
        for attempt, outcome in enumerate(attempts):
            own = f"{name}/{attempt}"
            self._attempt(own, offset, outcome)
            if task == "zombie" and outcome == "fenced":
                self._fenced(own)
            elif outcome in GIVEN_UP:
                self._claim()
        last = attempts[-1]
        wanted = {"commit": ("committed", "unknown"), "abort": ("aborted", "dropped", "fenced")}
        if last not in wanted.get(task, ("fenced",)):
            self.findings.append(f"{name} was to {task}, and {last} came of it")
        self._is_in_doubt = last == "unknown"
        self.position += last == "committed"

    def found_offset(self, name: str, offset: int) -> None:
        """The group's committed offset behind a transaction, nothing being open any more."""
        self.history.read_offset(self._group, 0, offset)
        if self._is_in_doubt and offset == self.position + 1:
            self.outcomes["found committed"] += 1
            self.position += 1
        elif offset != (self.position or -1):
            self.findings.append(f"{name}: offset {offset}, where {self.position} is committed")

    def judge(self, reader: str, committed: str, stored: Mapping[int, Sequence[Kept]]) -> None:
        """Take what a reader has printed."""
        read, wrong = records_of(committed.splitlines())
        offsets = {(self._group, 0): self.position}
        found = transaction_findings(self.history, committed=read, stored=stored, offsets=offsets)
        texts = [f"{each.broken.value}: {each.text}" for each in found]
        self.findings += [f"read by {reader}: {text}" for text in [*wrong, *texts]]

    def _attempt(self, own: str, offset: int, outcome: str) -> None:
        producer = self._producer
        self.history.begin(own, producer)
        values = [f"{own}/{partition}".encode() for partition in range(PARTITIONS)]
        for partition, value in enumerate(values):
            self.history.send(own, partition, value)
        self.history.send_offset(own, self._group, 0, offset)
        if outcome in ("committed", "unknown", "fenced"):
            self.history.ask(own, Fate.COMMITTED)
        if outcome == "aborted":
            self.history.ask(own, Fate.ABORTED)
        if outcome == "committed":
            self.history.offset_accepted(own, self._group, 0, offset)
        for value in values:
            self.history.answered(value, NOBODY_KNOWS_WHERE if outcome == "committed" else IN_DOUBT)
        if outcome in ("committed", "aborted"):
            self.history.tell(own, Fate(outcome))

    def _fenced(self, own: str) -> None:
        """By its successor, which is the one that goes on."""
        before = self._producer
        self._claim()
        self.history.tell(own, Fate.ABORTED)
        self.history.fenced(before)

    def _claim(self) -> None:
        self._producers += 1
        self.history.claim(self._producer, self._client)
        self.history.granted(self._producer)

    @property
    def _producer(self) -> str:
        return f"{self._client} {self._producers}"


def records_of(lines: Iterable[str]) -> tuple[dict[int, list[Kept]], list[str]]:
    """What a reader has printed, by partition and in order, and what is wrong with it as such.

    Whoever reads in a group may be given a record again: at its offset, and the same.
    """
    found: dict[int, dict[int, bytes]] = {partition: {} for partition in range(PARTITIONS)}
    wrong = []
    for line in lines:
        fields = json.loads(line)
        partition, offset, value = fields["partition"], fields["offset"], fields["value"].encode()
        if found[partition].setdefault(offset, value) != value:
            wrong.append(f"{partition}:{offset} was {found[partition][offset]!r}, then {value!r}")
    records = {
        partition: [
            Kept(offset, value) for offset, value in sorted(there.items()) if value != END.encode()
        ]
        for partition, there in found.items()
    }
    return records, wrong
