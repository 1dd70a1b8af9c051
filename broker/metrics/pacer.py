"""EDGE: turns for scrapes: of all that are under way, one writes one piece in a turn of the loop.

Long work has slices of 5 ms (waiting/slices.py), which is for somebody's request. A scrape has
time: it gives its turn back after each piece, of about a millisecond, and so leaves nobody waiting
however many partitions there are and however many Prometheus ask.
Tests: tests/system/metrics/test_metrics.py
"""

from __future__ import annotations

import asyncio
from collections import deque

from ..waiting.promise import Promise


class Pacer:
    """The line of those who want a turn."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._line: deque[Promise] = deque()
        self._is_due = False

    def turn(self) -> Promise:
        """What is kept in a later turn of the loop, alone in it."""
        promise = Promise()
        self._line.append(promise)
        self._want()
        return promise

    def _want(self) -> None:
        if self._line and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._is_due = False
        try:
            self._line.popleft().keep(None)  # who goes on asks for the next turn in here
        finally:
            self._want()
