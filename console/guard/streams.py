"""Bounds of what is streamed: how many at once, in all and to one login. Pure.

Tests: tests/unit/console/guard/test_streams.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

STREAMS_MAX = 32
STREAMS_EACH_MAX = 8


class TooMany(Exception):
    """No more streams can be had now."""


class Streams:
    """Counts the streams that are open."""

    def __init__(self, in_all: int = STREAMS_MAX, each: int = STREAMS_EACH_MAX) -> None:
        self._in_all = in_all
        self._each = each
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, owner: str) -> Iterator[None]:
        """Hold a place for as long as a stream is open. Raises TooMany."""
        if self._open.total() >= self._in_all or self._open[owner] >= self._each:
            raise TooMany(f"{self._each} live views at most for one, {self._in_all} in all")
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]
