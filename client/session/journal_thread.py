"""EDGE: the thread that flushes a journal, and how a busy event loop lets it run.

An interpreter runs one thread at a time. Who waits for it asks for it after 5 ms, and begins to
wait anew whenever the one that has it lets go for a moment, which a loop does in each turn, and
takes it back before the other is awake. So: 1. a program sends and sends  2. the thread would
flush, or has flushed and would say so, and waits  3. nothing leaves before the program rests.
Therefore the loop waits until the thread has begun, for which it takes some 50 microseconds, and
now and then for as long whether it has ended.
Source: CPython's ceval_gil (take_gil).
Tests: tests/unit/client/session/test_journal_thread.py
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Final

BEGUN_WITHIN_S: Final = 0.001  # the loop waits no longer; the thread begins all the same
ENDED_WITHIN_S: Final = 0.000_1


class JournalThread(ThreadPoolExecutor):
    """An executor of one thread, for work that is one call of the system, which takes its time."""

    def __init__(self) -> None:
        super().__init__(1, "minibroker-journal")
        self._is_at_work = Lock()

    def submit(  # type: ignore[override]
        self, work: Callable[[], Any], /
    ) -> Future[Any]:
        """Have work done; what was given before has ended. Returns when it has begun, or soon."""
        begun, self._is_at_work = Lock(), Lock()
        is_at_work = self._is_at_work
        begun.acquire()
        is_at_work.acquire()

        def do() -> Any:
            begun.release()
            try:
                return work()
            finally:
                is_at_work.release()

        future = super().submit(do)
        begun.acquire(timeout=BEGUN_WITHIN_S)
        return future

    def give_way(self) -> None:
        """Let it come to its end, if that is all it waits for."""
        if self._is_at_work.acquire(timeout=ENDED_WITHIN_S):
            self._is_at_work.release()
