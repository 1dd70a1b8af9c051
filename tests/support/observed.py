"""EDGE: a broker that tells what it holds: tasks, connections, requests, parked fetches.

As a program it is `minibroker`, and on SIGUSR1 counts its own objects into a line on standard
error; ObservedBroker runs that program and asks it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from minibroker.cli.main import main

from tests.support.broker import BrokerProcess, BrokerProcessError

COUNTED = ("ClientSession", "Request", "Promise", "ParkedFetch", "FrameBuffer")
MARK = b"observed "
ANSWER_WAIT_S = 10.0


class ObservedBroker(BrokerProcess):
    """A broker process that can be asked what it holds."""

    program: ClassVar[Sequence[str]] = ("-m", "tests.support.observed")

    def observe(self) -> dict[str, int]:
        """Number of asyncio tasks, and of the objects in COUNTED, after a garbage collection."""
        begin = len(self.said_from(0))
        os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + ANSWER_WAIT_S
        while time.monotonic() < deadline:
            for line in self.said_from(begin).splitlines(keepends=True):
                if line.startswith(MARK) and line.endswith(b"\n"):
                    counts: dict[str, int] = json.loads(line.removeprefix(MARK))
                    return counts
            threading.Event().wait(0.02)
        raise BrokerProcessError(f"the broker did not say what it holds\n{self.said}")


def _tell(number: int, frame: Any) -> None:
    gc.collect()
    counts = Counter(type(each).__name__ for each in gc.get_objects())
    held = {"tasks": len(asyncio.all_tasks()), **{name: counts[name] for name in COUNTED}}
    sys.stderr.write(f"{MARK.decode()}{json.dumps(held)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _tell)
    sys.exit(main())
