"""A journal in memory, whose flushes end when the test says so; what is flushed survives."""

from __future__ import annotations

from collections.abc import Sequence

from minibroker.client.session.entries import Entry
from minibroker.client.session.journal_state import JournalState


class JournalDouble:
    """The groups that were appended.

    Args:
        groups: what a process before has left; flushed.

    Attributes:
        flushes: flush_soon ends at once.
        asked: the newest group that somebody wants flushed.
    """

    def __init__(self, groups: Sequence[Sequence[Entry]] = (), *, flushes: bool = True) -> None:
        self.state = JournalState()
        self.flushes = flushes
        self.flushed = 0
        self.asked = 0
        self.groups: list[tuple[Entry, ...]] = []
        for group in groups:
            self.append(group)
        self.flushed = len(self.groups)

    def append(self, entries: Sequence[Entry]) -> int:
        """As Journal.append."""
        for entry in entries:
            self.state.apply(entry)
        self.groups.append(tuple(entries))
        return len(self.groups)

    def flush_soon(self, upto: int) -> None:
        """As the journal of sending.py."""
        self.asked = max(self.asked, upto)
        if self.flushes:
            self.flush()

    def flush(self) -> None:
        """What was asked for is safe now."""
        self.flushed = max(self.flushed, self.asked)

    def survivor(self) -> JournalDouble:
        """What is found after the process has died, on a machine that lost power: flushed only."""
        return JournalDouble(self.groups[: self.flushed], flushes=self.flushes)
