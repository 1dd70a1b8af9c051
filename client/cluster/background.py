"""EDGE: the tasks of one client. One that fails, or that others cancel, ends the client as a whole.

They live in one TaskGroup between start() and stop(). Nothing may fail in the background in
silence, and nothing may be left waiting for it: `failure` says why the client has ended, and
`on_end` is called once, so that whatever waits is told.
Tests: tests/system/client/test_client_defects.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import ClientError, Fatal, defect

logger = logging.getLogger("minibroker.client")
STOP_TIMEOUT_S = 2.0


class Background:
    """The tasks of one client.

    Args:
        on_end: called once, however the client ends, before anybody else is told.

    Attributes:
        on_failure: called when the client has ended without being asked to, once it was started.
        failure: why nothing works any more.
        is_stopping: tasks may be cancelled without that being a failure.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self.failure: ClientError | None = None
        self.is_stopping = False
        self._on_end = on_end
        self.on_failure: Callable[[ClientError], None] | None = None
        self._main: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None

    @property
    def is_started(self) -> bool:
        """Whether start() has been called, and not taken back."""
        return self._main is not None

    @property
    def is_running(self) -> bool:
        """Whether tasks can be spawned."""
        return self._group is not None

    async def start(self) -> None:
        """Begin."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._main = asyncio.create_task(self._run(started), name="minibroker client")
        self._main.add_done_callback(lambda main: self._on_main_done(main, started))
        await started

    def begin_stop(self) -> None:
        """From now on tasks may be cancelled without that being a failure."""
        self.is_stopping = True

    async def stop(self) -> None:
        """End every task, within seconds."""
        self.begin_stop()
        if self._main is None:
            return
        self._main.cancel()
        self._group = (
            None  # one that ends takes no more tasks, and a coroutine of one would be left
        )
        try:
            await asyncio.wait({self._main}, timeout=STOP_TIMEOUT_S)
        finally:
            self._close(Fatal("the client was stopped"))

    def take_back(self) -> None:
        """After a start that failed, and stop(): as if there had been none; it may be repeated."""
        self._main, self.failure, self.is_stopping = None, None, False

    def end(self, error: ClientError) -> None:
        """Something is wrong that nothing here can mend: everybody who waits or asks is told."""
        if self.failure is not None or self.is_stopping:
            return
        logger.error("%s", error, exc_info=error.__cause__)
        self._close(error)
        if self._main is not None:
            self._main.cancel()
        if self.on_failure is not None:
            self.on_failure(error)

    def raise_if_ended(self) -> None:
        """Raise what ended the client, if it has ended."""
        if self.failure is not None:
            raise type(self.failure)(str(self.failure), code=self.failure.code)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` until it ends or the client does. Raises what ended the client."""
        if self._group is None:
            work.close()
            self.raise_if_ended()
            raise Fatal("the client has not been started")
        task = self._group.create_task(self._guarded(work), name=name)
        task.add_done_callback(lambda done: self._on_task_done(done, work))
        return task

    async def _run(self, started: asyncio.Future[None]) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            started.set_result(None)
            try:
                await asyncio.get_running_loop().create_future()  # until it is cancelled
            finally:
                self.end(_cancelled())  # at once: a TaskGroup that ends takes no more tasks

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """One that fails must not take the others with it unseen, as a TaskGroup would."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  told to everybody who waits, and logged
            ended = defect("the client", error)
            ended.__cause__ = None if ended is error else error
            self.end(ended)

    def _on_task_done(self, task: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        if task.cancelled():
            work.close()  # where it was cancelled before its first step
            self.end(_cancelled())

    def _on_main_done(self, main: asyncio.Task[None], started: asyncio.Future[None]) -> None:
        if not started.done():
            started.set_result(None)
        error = None if main.cancelled() else main.exception()
        self.end(_cancelled() if error is None else defect("the client", error))

    def _close(self, error: ClientError) -> None:
        self._group = None
        self.failure = self.failure or error
        self._on_end()


def _cancelled() -> ClientError:
    return Fatal(
        "a background task of the client was cancelled by others than the client, and without it "
        "nothing goes on: make a new one, and stop() the old"
    )
