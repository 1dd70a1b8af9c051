"""EDGE: our broker on a disk whose flushes take a given time and nothing else any.

    python -m tests.bench.parts.slow_broker MILLISECONDS      prints its port; whoever starts it
    kills it

The slowness is that of the storage port, so that a figure in flushes means the same everywhere.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from tests.support.in_loop.runtime import running_broker
from tests.support.worlds.flushes import HeldFlushes, world_with


class SlowFlushes(HeldFlushes):
    """Flushes that each take so many seconds."""

    def __init__(self, duration_s: float) -> None:
        super().__init__()
        self._duration_s = duration_s

    def pass_through(self, path: str) -> None:
        """What every flush does, in its thread."""
        time.sleep(self._duration_s)


async def _serve(duration_s: float) -> None:
    world = world_with(SlowFlushes(duration_s))
    async with running_broker(settings={"durability": "fsync", "log.dirs": "-"}, world=world) as it:
        print(it.bound[0].port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(float(sys.argv[1]) / 1000))
