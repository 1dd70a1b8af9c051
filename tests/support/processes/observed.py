"""EDGE: a broker that tells what it holds: tasks, connections, requests, parked fetches, memory.

As a program it is `minibroker`, and on SIGUSR1 counts its own objects into a line on standard
error; ObservedBroker runs that program and asks it. On SIGUSR2 it first gives free memory back to
the system, so that what is held and what merely has not been given back can be told apart.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from minibroker.cli.main import main

from tests.support.processes.broker import BrokerProcess, BrokerProcessError

COUNTED = ("ClientSession", "Request", "Promise", "ParkedFetch", "FrameBuffer")
MARK = b"observed "
ANSWER_WAIT_S = 10.0
MALLOC_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
TOLD_MEMORY = (
    "# bytes in allocated blocks",
    "# bytes in available blocks",
    "malloc used",
    "malloc free",
)


class ObservedBroker(BrokerProcess):
    """A broker process that can be asked what it holds."""

    program: ClassVar[Sequence[str]] = ("-m", "tests.support.processes.observed")

    def observe(self, asking: signal.Signals = signal.SIGUSR1) -> dict[str, int]:
        """Number of asyncio tasks, and of the objects in COUNTED, after a garbage collection."""
        begin = len(self.said_from(0))
        os.kill(self.pid, asking)
        deadline = time.monotonic() + ANSWER_WAIT_S
        while time.monotonic() < deadline:
            for line in self.said_from(begin).splitlines(keepends=True):
                if line.startswith(MARK) and line.endswith(b"\n"):
                    counts: dict[str, int] = json.loads(line.removeprefix(MARK))
                    return counts
            threading.Event().wait(0.02)
        raise BrokerProcessError(f"the broker did not say what it holds\n{self.said}")

    def memory(self, *, given_back: bool = False) -> Memory:
        """Where its memory is; `given_back`: after what is free was given to the system."""
        begin = len(self.said_from(0))
        self.observe(signal.SIGUSR2 if given_back else signal.SIGUSR1)
        said = self.said_from(begin).decode(errors="replace")
        found = (re.search(rf"^{name} *= *([\d,]+)", said, re.MULTILINE) for name in TOLD_MEMORY)
        return Memory(*(int(each[1].replace(",", "")) // 1024 for each in found if each))


class Memory(NamedTuple):
    """Where the memory of a process is, in kB."""

    python_used: int  # blocks of up to 512 bytes, in Python's own arenas
    python_free: int
    malloc_used: int  # everything larger, and what libraries take
    malloc_free: int


class _MallocInfo(ctypes.Structure):
    """struct mallinfo2 of glibc."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLOC_FIELDS.split())


def _tell(number: int, frame: Any) -> None:
    gc.collect()
    if number == signal.SIGUSR2:
        ctypes.CDLL(None).malloc_trim(0)
    _tell_memory()
    counts = Counter(type(each).__name__ for each in gc.get_objects())
    held = {"tasks": len(asyncio.all_tasks()), **{name: counts[name] for name in COUNTED}}
    sys.stderr.write(f"{MARK.decode()}{json.dumps(held)}\n")
    sys.stderr.flush()


def _tell_memory() -> None:
    """Python's own statistics, many lines, and one of malloc's."""
    sys._debugmallocstats()
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _MallocInfo
    info = libc.mallinfo2()
    used, free = info.uordblks + info.hblkhd, info.fordblks
    sys.stderr.write(f"malloc used = {used}\nmalloc free = {free}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _tell)
    signal.signal(signal.SIGUSR2, _tell)
    sys.exit(main())
