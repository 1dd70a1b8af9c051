"""EDGE: how tests wait in their event loop for what no event tells, without burning a core.

    await until(lambda: proxy.is_idle)           # any condition in this process
    while (await told(broker)) == UNSTABLE:      # asked of a broker: bounded by who asks
        await pause()

Whatever comes within some turns of the loop is seen in the turn after; what takes longer is looked
for five hundred times a second: nobody turns a loop that others need, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

WAIT_S = 20.0
TURNS = 20
LOOK_S = 0.002


async def until(condition: Callable[[], bool], wait_s: float = WAIT_S) -> None:
    """Let the loop turn until a condition holds; TimeoutError after wait_s."""
    async with asyncio.timeout(wait_s):
        for _ in range(TURNS):
            if condition():
                return
            await asyncio.sleep(0)
        while not condition():
            await pause()


async def pause() -> None:
    """Between two questions."""
    await asyncio.sleep(LOOK_S)
