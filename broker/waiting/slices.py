"""EDGE: what long work (long_work.py) gets of the event loop: slices of its turns, and threads.

Real time, read at each yield of the work. The simulated worlds have slices of their own.
Tests: tests/system/neighbours/test_long_requests.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from ..limits import ASIDES_MAX, KEPT_FREE_BYTES_MAX, MAPPED_FROM_BYTES, SLICE_MS
from ..log_lines import Event
from ..storage.port import FlushFailed
from .long_work import Done, outcome_of

logger = logging.getLogger("minibroker")
SLICE_S = SLICE_MS / 1000
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


class LoopSlices:
    """Slices of the running event loop. Implements long_work.Slices.

    Args:
        on_broken: called with an exception of long work that nobody can answer for: the broker
            stops.
    """

    def __init__(self, on_broken: Callable[[Exception], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_broken = on_broken
        self._threads: ThreadPoolExecutor | None = None
        self._first_ends = self._window_ends = 0.0

    def first(self) -> Callable[[], bool]:
        """What is left of the slice that all new work of these moments shares.

        When a hundred connections ask for long work in one turn, the first has its slice, and of
        each other one step is done: a turn is not a hundred slices long.
        """
        now = perf_counter()
        if now >= self._window_ends:
            self._first_ends = now + SLICE_S
            self._window_ends = self._first_ends + SLICE_S
        return _at(self._first_ends)

    def next(self) -> Callable[[], bool]:
        """A slice from now on."""
        return _at(perf_counter() + SLICE_S)

    def wanted(self, go_on: Callable[[], None]) -> None:
        """In the next turn of the loop, behind what has come from the sockets by then."""
        self._loop.call_soon(self._turn, go_on)

    def aside(self, call: Callable[[], Any], done: Done) -> None:
        """In a thread."""
        if self._threads is None:
            _bound_kept_memory()
            self._threads = ThreadPoolExecutor(ASIDES_MAX, "aside")
        future = self._loop.run_in_executor(self._threads, outcome_of, call)

        def called(future: asyncio.Future[tuple[Any, Exception | None]]) -> None:
            if not future.cancelled():  # with the loop, by whoever ends it without stop()
                self._turn(lambda: done(*future.result()))

        future.add_done_callback(called)

    def close(self, *, wait: bool) -> None:
        """Let the threads end; whoever waits has what they do done first."""
        if self._threads is not None:
            self._threads.shutdown(wait=wait, cancel_futures=True)

    def _turn(self, go_on: Callable[[], None]) -> None:
        try:
            go_on()
        except (AssertionError, FlushFailed) as error:
            self._on_broken(error)
        except Exception:
            logger.exception(Event("long-work-failed"))


def _bound_kept_memory() -> None:
    """Let malloc give back what large batches took, where there is glibc.

    1. a batch of 36 MB is unpacked in a thread 2. its memory is freed, and glibc raises by its size
    what it keeps from then on, up to 64 MB in each thread, which malloc_trim does not touch.
    Bounds that are set stay as they are. Source: mallopt(3), M_MMAP_THRESHOLD.
    """
    import ctypes  # here: it takes milliseconds to import, and starting must be quick

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_FREE_BYTES_MAX)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)


def _at(ends: float) -> Callable[[], bool]:
    return lambda: perf_counter() >= ends
