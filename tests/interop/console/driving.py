"""EDGE: browsers at a console, as a process of their own: pages asked for in turn, over HTTP.

    python -m tests.interop.console.driving BASE

Prints "ready" when each page was seen once; asks after each line "go" until "stop"; at the end of
its input it prints how long each request took, in ms by path, as JSON. It is no part of what is
measured beside it: browsers are elsewhere, and it gives way to everybody.
Started by load.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import httpx

PAUSE_S = 0.2  # between two requests of one browser: faster than anybody clicks
BROWSERS = 3
NICE = 15
TIMEOUT_S = 30.0
PATHS = (
    *("/", "/cluster/figures", "/topics", "/topics?page=11", "/topics?q=load-07"),
    *("/topics/orders", "/topics/million", "/topics/orders/configs", "/topics/orders/messages"),
    *("/topics/million/messages?partition=1", "/topics/million/messages?text=99999"),
    *("/topics/million/messages?partition=2&start=offset&at=100000&view=batches",),
    *("/topics/orders/records/0/3", "/groups", "/groups?page=3", "/groups/group-007"),
    *(
        "/producers",
        "/producers?topic=orders",
        "/why",
        "/transactions",
        "/transactions/billing-open",
        "/faults",
    ),
)


class Driver:
    """Some browsers.

    Attributes:
        took_ms: of each request, by path.
    """

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self._client = client
        self._base = base
        self._browsers: list[asyncio.Task[None]] = []
        self.took_ms: dict[str, list[float]] = {path: [] for path in PATHS}

    async def warm_up(self) -> None:
        """What is made once is made now."""
        for path in PATHS:
            await self._ask(path)

    def go(self) -> None:
        """Begin."""
        self._browsers = [asyncio.ensure_future(self._drive(n * 7)) for n in range(BROWSERS)]

    async def stop(self) -> None:
        """End. Raises what ended one of them before."""
        for each in self._browsers:
            each.cancel()
        for found in await asyncio.gather(*self._browsers, return_exceptions=True):
            if not isinstance(found, asyncio.CancelledError):
                raise AssertionError("a browser has ended") from found
        self._browsers = []

    async def _drive(self, number: int) -> None:
        while True:
            path = PATHS[number % len(PATHS)]
            began = time.perf_counter()
            await self._ask(path)
            self.took_ms[path].append((time.perf_counter() - began) * 1000)
            number += 1
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, path: str) -> None:
        answer = await self._client.get(self._base + path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"


async def main(base: str) -> None:
    """See the file's docstring."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        driver = Driver(client, base)
        await driver.warm_up()
        print("ready", flush=True)
        while word := (await lines.readline()).strip():
            if word == b"go":
                driver.go()
            else:
                await driver.stop()
        print(json.dumps(driver.took_ms), flush=True)


def _give_way() -> None:
    """Run where nobody else wants to: a low priority alone may still finish its slice first."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(NICE)


if __name__ == "__main__":
    _give_way()
    asyncio.run(main(sys.argv[1]))
