"""EDGE: who may call a client: the event loop it was made in, in its own thread and process.

Nothing of a client is shared with other threads: a call from elsewhere would seem to work, and wake
nobody. So it is refused at once. To come in from a thread, asyncio.run_coroutine_threadsafe is the
way; a forked child makes a client of its own.
Tests: tests/system/client/test_client_door.py
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import ClassVar, Final
from weakref import WeakSet

# What tells places apart in a few ns. Before 3.12 to look the running loop up asks the kernel for
# the process, 250 ns: there the thread has to do, and another loop in it is told when it awaits.
here: Final[Callable[[], object]] = (
    asyncio._get_running_loop if sys.version_info >= (3, 12) else threading.get_ident
)
NOWHERE: Final = object()


class Owner:
    """The place where a client was made.

    Attributes:
        loop: the client's event loop.
        home: what here() gives in the right place, and in no other one.

    Raises:
        RuntimeError: it was not made inside a running loop.
    """

    __slots__ = ("__weakref__", "_kind", "_pid", "_thread", "home", "loop")

    _alive: ClassVar[WeakSet[Owner]] = WeakSet()

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._pid = os.getpid()
        self._thread = threading.get_ident()
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                f"a {kind} is made inside a running event loop: in a function that asyncio.run() "
                "runs, or below one"
            ) from None
        self.home: object = here()
        self._alive.add(self)

    @classmethod
    def after_fork(cls) -> None:
        """In the child nothing that its parent made is at home."""
        for owner in cls._alive:
            owner.home = NOWHERE

    def check(self) -> None:
        """Raise RuntimeError if whoever calls is not in the client's loop, thread and process."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self.loop:
            return
        if os.getpid() != self._pid:
            reason = "this is a forked process: make a client of its own here"
        elif threading.get_ident() != self._thread:
            reason = "this is another thread: use asyncio.run_coroutine_threadsafe"
        elif running is not None:
            reason = "this is another event loop: make a client of its own here"
        else:
            return  # between two runs of the loop, in its thread
        raise RuntimeError(f"a {self._kind} belongs to the loop it was made in; {reason}")


os.register_at_fork(after_in_child=Owner.after_fork)
