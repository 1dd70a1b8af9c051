"""EDGE: answers that are kept for a moment: whoever asks meanwhile shares the question.

Tests: tests/unit/console/reading/test_cached.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")
KEPT_MAX = 500


class Cached:
    """Keeps answers, each for as long as its askers bear; what failed is not kept."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._kept: dict[object, tuple[float, asyncio.Task[Any]]] = {}  # oldest first

    async def get(self, key: object, age_s: float, ask: Callable[[], Awaitable[T]]) -> T:
        """An answer not older than `age_s`.

        Who gives up waiting does not end the question: others may wait for the same answer.
        """
        now_s = self._now_s()
        asked_s, task = self._kept.get(key, (0.0, None))
        if task is None or (task.done() and (now_s - asked_s >= age_s or _failed(task))):
            self._kept.pop(key, None)
            task = asyncio.ensure_future(_awaited(ask))
            self._kept[key] = (now_s, task)
            while len(self._kept) > KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
        return cast("T", await asyncio.shield(task))

    def forget(self) -> None:
        """Ask anew from now on: something was changed."""
        self._kept.clear()

    async def end(self) -> None:
        """Give up what is still asked."""
        tasks = [task for _, task in self._kept.values()]
        self._kept.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
