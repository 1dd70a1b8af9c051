"""EDGE: a process that forks brokers, or others, for this one; started when the first is wanted.

It imports once (forking.py); each further one is then a fork away. It ends when its standard input
does, that is with this process at the latest.
Tests: tests/system/testing/test_child_broker.py
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from typing import Any

from .child_wire import line

BROKERS = "minibroker.testing.child"
READY_TIMEOUT_S = 60.0  # it may have a low priority on a busy machine
STOP_TIMEOUT_S = 5.0


class NurseryFailed(Exception):
    """The process that forks others did not start."""


class Nursery:
    """Forks brokers, or what else a module is; `fork` may be called by any thread.

    Args:
        module: calls forking.run_nursery.
    """

    def __init__(self, module: str = BROKERS) -> None:
        self._directory = tempfile.mkdtemp(prefix="minibroker-")
        self._socket = os.path.join(self._directory, "nursery")
        command = [sys.executable, "-m", module, self._socket]
        self._process = subprocess.Popen(  # noqa: S603  our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
        )
        assert self._process.stdout is not None
        waiting = select.poll()  # not select(): a test may hold more than a thousand connections
        waiting.register(self._process.stdout, select.POLLIN)
        if not waiting.poll(READY_TIMEOUT_S * 1000) or not self._process.stdout.readline():
            self.close()
            raise NurseryFailed(f"{' '.join(command)} did not start")

    def fork(self, order: dict[str, Any]) -> socket.socket:
        """Begin one; the socket stays open for as long as both sides live."""
        lifeline = socket.socket(socket.AF_UNIX)
        try:
            lifeline.settimeout(READY_TIMEOUT_S)
            lifeline.connect(self._socket)
            lifeline.sendall(line(order))
        except BaseException:
            lifeline.close()
            raise
        return lifeline

    def close(self) -> None:
        """End it; what it has forked ends with lifelines of its own."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def nursery(module: str = BROKERS) -> Nursery:
    """The one of this process for a module; any thread may ask."""
    with _MAKING:
        return _made(module)


_MAKING = threading.Lock()  # two threads that ask at once shall not start one each


@cache
def _made(module: str) -> Nursery:
    made = Nursery(module)
    atexit.register(made.close)
    return made
