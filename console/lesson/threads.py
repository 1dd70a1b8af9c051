"""EDGE: what waits for processes, in threads, so that no page waits with it.

1. a process starts, in a thread   2. the lesson's owner leaves, and all is closed   3. the start
ends after the end: nobody would have that process. So who is cancelled meanwhile goes when the
thread has ended, and what it made is undone.
Tests: tests/system/console/test_lesson_page.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """What `work` returns, and raises.

    Args:
        undo: takes back what it returned, if nobody is there to take it; it may wait, too.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        if undo is not None and running.exception() is None:
            await asyncio.to_thread(undo, running.result())
        raise
