"""Long lists, a page at a time. Pure.

Tests: tests/unit/console/reading/test_paging.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
ROWS = 50


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """One page of a list: pages are counted from 1."""

    items: Sequence[T]
    page: int
    pages: int
    total: int

    @property
    def first(self) -> int:
        """Number of the first item shown, from 1; 0 where there is none."""
        return (self.page - 1) * ROWS + 1 if self.items else 0

    @property
    def last(self) -> int:
        """Number of the last item shown."""
        return max(0, self.first + len(self.items) - 1)


def paged(items: Sequence[T], page: int) -> Paged[T]:
    """The page wanted, or the last one if there are not so many."""
    pages = max(1, -(-len(items) // ROWS))
    page = min(max(page, 1), pages)
    return Paged(items[(page - 1) * ROWS : page * ROWS], page, pages, len(items))
