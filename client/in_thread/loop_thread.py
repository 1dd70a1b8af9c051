"""EDGE: an event loop in a thread of its own, for callers that block (blocking.py).

Any thread may call, several at once; the loop serves them all. A caller that is interrupted
(Ctrl-C) takes its call back. What would wait for itself, or for a thread that a fork has not taken
along, is refused at once instead of hanging.
Tests: tests/system/client/test_client_blocking.py
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

END_S = 5.0


class LoopThread:
    """The thread, which runs from the start until `close`.

    Args:
        owner: what it is for, in the thread's name and in errors.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"minibroker {owner}", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed."""
        return not self._loop.is_closed() and self._thread.is_alive()

    def make(self, build: Callable[[], T]) -> T:
        """An object that belongs to the loop; if it cannot be made, the thread ends again."""
        try:
            return self.do(build)
        except BaseException:
            self.close()
            raise

    def do(self, action: Callable[[], T]) -> T:
        """Call a function in the loop's thread."""

        async def perform() -> T:
            return action()

        return self.run(perform)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in the loop and wait for what it returns or raises. Raises as begin()."""
        future = self.begin(work)
        try:
            return future.result()
        except BaseException:
            # 1. Ctrl-C while we wait  2. the call would go on behind the back of the caller, who
            # believes that it has ended: e.g. a getmany that takes records nobody gets.
            future.cancel()
            raise

    def begin(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Begin to run a coroutine in the loop.

        Raises:
            RuntimeError: the loop was closed, belongs to another process, or would wait for itself.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(
                f"this {self._owner} was made by process {self._pid}; a forked child makes its own"
            )
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                f"a callback of this {self._owner} cannot wait for it: its loop runs the callback"
            )
        if not self.is_open:
            raise RuntimeError(f"this {self._owner} was stopped; make a new one")
        # The coroutine is made over there: made here, one that never gets its turn would warn.
        return asyncio.run_coroutine_threadsafe(_later(work), self._loop)

    def close(self) -> None:
        """End the thread; safe to call again, and from a forked child, where it does nothing."""
        if os.getpid() != self._pid or not self.is_open:
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(END_S)

    def dropped(self, *, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Its owner was collected: if it was not stopped, say so, and end the thread."""
        # 1. a script ends, its client a global, stopped or not  2. modules are taken apart before
        # the globals of a script are, since Python 3.13 at least  3. `os` is None here.
        if is_finalizing():
            return
        if os.getpid() == self._pid and self.is_open:
            warnings.warn(
                f"a blocking {self._owner} was dropped without stop(): what it still had to do is "
                "lost; use `with`, or call stop()",
                ResourceWarning,
                stacklevel=3,
            )
            self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def _later(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return await work()
