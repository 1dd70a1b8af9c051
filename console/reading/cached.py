"""EDGE: answers that are kept for a moment: whoever asks meanwhile shares the question.

Tests: tests/unit/console/reading/test_cached.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

T = TypeVar("T")
KEPT_MAX = 500
AGE_S_MAX = 10.0


@dataclass(slots=True)
class _Kept:
    """A question, and its answer once it is there."""

    asked_s: float
    task: asyncio.Task[Any]
    took_s: float = 0.0

    def is_over(self, now_s: float, age_s: float, times: float) -> bool:
        """Whether it has to be asked anew."""
        if not self.task.done():
            return False
        age_s = min(max(age_s, times * self.took_s), max(age_s, AGE_S_MAX))
        return now_s - self.asked_s >= age_s or _failed(self.task)


class Cached:
    """Keeps answers, each for as long as its askers bear; what failed is not kept."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._kept: dict[object, _Kept] = {}  # oldest first

    async def get(
        self, key: object, age_s: float, ask: Callable[[], Awaitable[T]], times: float = 0.0
    ) -> T:
        """An answer not older than `age_s`.

        Who gives up waiting does not end the question: others may wait for the same answer.

        Args:
            times: kept so much longer than it took to ask, if that is more; AGE_S_MAX at most.
        """
        now_s = self._now_s()
        kept = self._kept.get(key)
        if kept is None or kept.is_over(now_s, age_s, times):
            self._kept.pop(key, None)
            kept = self._kept[key] = _Kept(now_s, asyncio.ensure_future(_awaited(ask)))
            kept.task.add_done_callback(partial(self._note, kept))
            while len(self._kept) > KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
        return cast("T", await asyncio.shield(kept.task))

    def _note(self, kept: _Kept, task: asyncio.Task[Any]) -> None:
        kept.took_s = self._now_s() - kept.asked_s

    def forget(self) -> None:
        """Ask anew from now on: something was changed."""
        self._kept.clear()

    async def end(self) -> None:
        """Give up what is still asked."""
        tasks = [kept.task for kept in self._kept.values()]
        self._kept.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
