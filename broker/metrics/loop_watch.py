"""EDGE: how late the event loop is, and how busy its thread.

A timer of LOOP_LOOK_MS looks how much later than that it is called. What it finds goes into a
histogram, so that a scrape a minute sees every hold-up of that minute. It runs only where somebody
may ask.
Tests: tests/system/metrics/test_metrics.py
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import thread_time
from typing import Final

from ..figures import LAG_SECONDS, Histogram
from ..limits import LOOP_LOOK_MS

IDLE_WINDOW_S: Final = 60.0
LOOKS_A_MARK: Final = 50  # of the processor time: every five seconds


class LoopWatch:
    """Watches the running loop until it is stopped.

    Args:
        also: called at each look.

    Attributes:
        lag: in seconds, of each look.
    """

    def __init__(self, also: Callable[[], None] | None = None) -> None:
        self.lag = Histogram(LAG_SECONDS)
        self._also = also
        self._loop = asyncio.get_running_loop()
        self._marks: deque[tuple[float, float]] = deque([(self._loop.time(), thread_time())])
        self._looks = 0
        self._timer = self._again()

    @property
    def idle_share(self) -> float:
        """The part of about the last minute in which this thread used no processor, 0 to 1."""
        began, used = self._marks[0]
        took = self._loop.time() - began
        return 1.0 if took <= 0 else min(max(1 - (thread_time() - used) / took, 0.0), 1.0)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _again(self) -> asyncio.TimerHandle:
        self._due = self._loop.time() + LOOP_LOOK_MS / 1000
        return self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self.lag.add(max(now - self._due, 0.0))
        self._looks += 1
        if not self._looks % LOOKS_A_MARK:
            self._marks.append((now, thread_time()))
            while self._marks[1][0] <= now - IDLE_WINDOW_S:
                self._marks.popleft()
        if self._also is not None:
            self._also()
        self._timer = self._again()
