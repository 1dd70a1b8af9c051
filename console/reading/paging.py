"""Long lists, a page at a time. Pure.

Tests: tests/unit/console/reading/test_paging.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
ROWS = 50
COSTLY_ROWS = 25  # where brokers are asked for each of them


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """One page of a list: pages are counted from 1.

    Attributes:
        first: number of the first item shown, from 1; 0 where there is none.
    """

    items: Sequence[T]
    page: int
    pages: int
    total: int
    first: int

    @property
    def last(self) -> int:
        """Number of the last item shown."""
        return max(0, self.first + len(self.items) - 1)


def paged(items: Sequence[T], page: int, rows: int = ROWS) -> Paged[T]:
    """The page wanted, or the last one if there are not so many."""
    pages = max(1, -(-len(items) // rows))
    page = min(max(page, 1), pages)
    begin = (page - 1) * rows
    shown = items[begin : begin + rows]
    return Paged(shown, page, pages, len(items), begin + 1 if shown else 0)
