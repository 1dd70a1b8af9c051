"""EDGE: the sandboxes of all who take the lesson: one a browser, few at once, none for ever.

A move goes on when the page that asked for it has gone: whoever comes back sees what came of it.
Read first: sandbox.py.
Tests: tests/system/console/test_lesson_page.py
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from .moves import Move
from .sandbox import MoveRefused, Sandbox
from .telling import Shown

logger = logging.getLogger("minibroker.console")
LESSONS_MAX = 4
IDLE_S = 900.0
LOOK_S = 30.0


class NoRoom(Exception):
    """So many take the lesson that no more can; the text says what to do."""


class Lesson:
    """One browser's.

    Attributes:
        shown: what was seen last; None while it starts.
        trouble: why it has ended, in words; "" while it goes on.
        refused: why the last move was not made; "" if it was.
    """

    def __init__(self) -> None:
        self.sandbox = Sandbox()
        self.shown: Shown | None = None
        self.trouble = ""
        self.refused = ""
        self.used_s = 0.0
        self._at_work: asyncio.Task[None] | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether something is being done."""
        return self._at_work is not None and not self._at_work.done()

    def start(self) -> None:
        """Start its processes."""
        self._begin(self.sandbox.start)

    def make(self, move: Move) -> None:
        """Begin a move, unless one is being made."""
        if not self.is_at_work and not self.trouble:
            self._begin(partial(self.sandbox.make, move))

    def _begin(self, work: Callable[[], Awaitable[Shown]]) -> None:
        self._at_work = asyncio.ensure_future(self._work(work))

    async def _work(self, work: Callable[[], Awaitable[Shown]]) -> None:
        self.refused = ""
        try:
            self.shown = await work()
        except MoveRefused as error:
            self.refused = str(error)
        except Exception as error:  # whatever it is: the page says so, and its processes end
            logger.exception("a lesson has ended")
            self.trouble = f"the sandbox has failed: {error or type(error).__name__}"
            await self.sandbox.close()

    async def until_done(self, timeout_s: float) -> None:
        """Return when nothing is being done any more, or after a while."""
        if self._at_work is not None:
            await asyncio.wait((self._at_work,), timeout=timeout_s)

    async def close(self) -> None:
        """End its processes."""
        if self._at_work is not None:
            self._at_work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._at_work
        await self.sandbox.close()


class Sandboxes:
    """All lessons of one console, by the browser's identity."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lessons: dict[str, Lesson] = {}
        self._looking: asyncio.Task[None] | None = None

    def of(self, identity: str) -> Lesson | None:
        """The lesson of a browser, if it has one."""
        lesson = self._lessons.get(identity)
        if lesson is not None:
            lesson.used_s = self._now_s()
        return lesson

    async def begin(self, identity: str) -> Lesson:
        """The lesson of a browser; a new one if the last has failed. Raises NoRoom."""
        lesson = self.of(identity)
        if lesson is not None and not lesson.trouble:
            return lesson
        if lesson is None and len(self._lessons) >= LESSONS_MAX:
            raise NoRoom(f"{LESSONS_MAX} take the lesson already; come back when one has left")
        lesson = self._lessons[identity] = Lesson()
        lesson.used_s = self._now_s()
        lesson.start()
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._end_idle())
        return lesson

    async def end(self, identity: str) -> None:
        """End the lesson of a browser, if it has one."""
        lesson = self._lessons.pop(identity, None)
        if lesson is not None:
            await lesson.close()

    async def close(self) -> None:
        """End them all."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        for identity in tuple(self._lessons):
            await self.end(identity)

    async def _end_idle(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            before = self._now_s() - IDLE_S
            for identity in [each for each, one in self._lessons.items() if one.used_s < before]:
                await self.end(identity)
