"""What has come of one of two logs that are compared, and has not been looked at.

Pure.   Read next: pairing.py.
Tests: tests/unit/cli/comparing/test_pairing.py
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ...protocol.batch.runs import Record
from .pieces import Piece

SEEN_ALIKE: Final = 16  # so many records in a row that two logs meet again where they are the same


class Lane:
    """What has come of one log and has not been looked at."""

    def __init__(self, begin: int, end: int, *, by_order: bool) -> None:
        self.next = self.fetched = begin
        self.end = end
        self.pieces: deque[Piece] = deque()
        self.records: list[Record] = []
        self.contents: list[Any] = []  # of each record what has to be the same
        self.at = 0
        self.type = 0
        self.must_find = False  # the other's next record, or some of it had gone
        self._by_order = by_order

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of it."""
        return self.fetched >= self.end and not self.pieces and self.at >= len(self.records)

    @property
    def is_at_piece(self) -> bool:
        """Whether a whole batch is next."""
        return self.at >= len(self.records) and bool(self.pieces)

    def load(self) -> bool:
        """Have a record to look at; False if none has come.

        Raises:
            Unreadable: of the next batch; it is left out.
        """
        while self.at >= len(self.records):
            if not self.pieces:
                self.next = max(self.next, self.fetched)
                return False
            self.records, self.contents, self.at = [], [], 0
            self.records, self.contents = self._take()
        return True

    def load_more(self) -> bool:
        """Have the records of the next batch, too; False if none has come. Raises as load()."""
        if not self.pieces:
            return False
        records, contents = self._take()
        self.records = [*self.records[self.at :], *records]
        self.contents = [*self.contents[self.at :], *contents]
        self.at = 0
        return True

    def _take(self) -> tuple[list[Record], list[Any]]:
        piece = self.pieces.popleft()
        records = piece.records(self.next, self.end)
        self.type = int(piece.header.is_log_append_time)
        return records, [each[1:] for each in records] if self._by_order else records

    def step(self, count: int) -> None:
        """Pass over records that are loaded."""
        self.at += count
        self.next = self.records[self.at - 1].offset + 1

    def size_bytes(self) -> int:
        """How long the records are that have not been looked at: their keys and values."""
        left = self.records[self.at :]
        return sum(len(each.key or b"") + len(each.value or b"") for each in left)

    def find(self, content: Any, most: int) -> int:
        """How many records further on, among the next `most`, one has this content; 0: none."""
        try:
            return self.contents.index(content, self.at, self.at + most) - self.at
        except ValueError:
            return 0


def count_alike(a: Lane, b: Lane, count: int) -> int:
    """How many of the next `count` contents are the same, from the first on."""
    mine, theirs = a.contents[a.at : a.at + count], b.contents[b.at : b.at + count]
    if mine == theirs:
        return count
    return next(i for i, (x, y) in enumerate(zip(mine, theirs, strict=True)) if x != y)


def meet(lane: Lane, at: int, other: Lane, other_at: int, most: int = SEEN_ALIKE) -> bool:
    """Whether from here on both are the same, as far as can be seen; at least one record."""
    count = min(most, len(lane.records) - at, len(other.records) - other_at)
    if count <= 0:
        return False
    return lane.contents[at : at + count] == other.contents[other_at : other_at + count]
