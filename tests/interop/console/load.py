"""EDGE: the console driven over HTTP, a producer beside it: does anybody wait for anybody?

    python -m tests.interop.console.load [ours] [kafka] [small] [seconds=20]   (make console-load)

Every page is asked for in turn, without a browser: none may take longer than REQUEST_MS_MAX. Beside
that a producer sends one record at a time: its p99 with the console under load is compared with its
p99 before, in turns, so that what else the machine does falls on both alike.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import httpx
from minibroker.client.producer import Producer

from tests.interop.console.check import cluster, console_process
from tests.interop.console.filling import FULL, SMALL, Size, fill, lively

REQUEST_MS_MAX = 300.0
TURNS = 4  # quiet, driven, quiet, driven
PAUSE_S = 0.2  # between two requests of one browser: faster than anybody clicks
BROWSERS = 3
P99_TIMES_MAX = 1.5
PATHS = (
    *("/", "/cluster/figures", "/topics", "/topics?page=11", "/topics?q=load-07"),
    *("/topics/orders", "/topics/million", "/topics/orders/configs", "/topics/orders/messages"),
    *("/topics/million/messages?partition=1", "/topics/million/messages?text=99999"),
    *("/topics/million/messages?partition=2&start=offset&at=100000&view=batches",),
    *("/topics/orders/records/0/3", "/groups", "/groups?page=3", "/groups/group-007"),
    *("/producers", "/why", "/transactions", "/transactions/billing-open", "/faults"),
)


async def measure(
    servers: str, base: str, seconds: float
) -> tuple[list[float], list[float], dict[str, list[float]]]:
    """(latencies of produces while quiet, while driven, times of requests by path), in ms."""
    quiet: list[float] = []
    driven: list[float] = []
    requests: dict[str, list[float]] = {path: [] for path in PATHS}
    async with Producer(servers, linger_ms=0) as producer, httpx.AsyncClient(timeout=30) as client:
        for path in PATHS:  # what is made once is made now
            await client.get(base + path)
        for turn in range(TURNS):
            drivers = [
                asyncio.ensure_future(_drive(client, base, requests, each))
                for each in range(BROWSERS if turn % 2 else 0)
            ]
            until = time.perf_counter() + seconds
            while (began := time.perf_counter()) < until:
                await producer.send_and_wait("payments", b"beside it")
                took = (time.perf_counter() - began) * 1000
                (driven if turn % 2 else quiet).append(took)
            for each in drivers:
                each.cancel()
                with suppress(asyncio.CancelledError):
                    await each
    return quiet, driven, requests


async def _drive(
    client: httpx.AsyncClient, base: str, requests: dict[str, list[float]], offset: int
) -> None:
    number = offset * 7
    while True:
        path = PATHS[number % len(PATHS)]
        began = time.perf_counter()
        answer = await client.get(base + path)
        requests[path].append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        number += 1
        await asyncio.sleep(PAUSE_S)


def quantile(values: Sequence[float], share: float) -> float:
    """Of some values."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def run(kind: str, size: Size, seconds: float) -> int:
    """Measure one kind of cluster; 1 if somebody waits for somebody."""
    async with cluster(kind) as servers:
        await fill(servers, size)
        async with lively(servers), console_process(servers) as base:
            quiet, driven, requests = await measure(servers, base, seconds)
    taken = [each for times in requests.values() for each in times]
    print(
        f"{kind}: {size}; {len(taken)} requests, p50 {quantile(taken, 0.5):.0f} ms, "
        f"p99 {quantile(taken, 0.99):.0f} ms, longest {max(taken):.0f} ms"
    )
    slow = {
        path: max(times)
        for path, times in requests.items()
        if times and max(times) > REQUEST_MS_MAX
    }
    for path, longest in sorted(slow.items(), key=lambda item: -item[1]):
        print(f"  slow: {path}: {longest:.0f} ms, median {quantile(requests[path], 0.5):.0f} ms")
    before, beside = quantile(quiet, 0.99), quantile(driven, 0.99)
    print(
        f"  produce p99: quiet {before:.2f} ms of {len(quiet)}, beside it {beside:.2f} ms of "
        f"{len(driven)}: {beside / before:.2f} times"
    )
    return int(bool(slow) or beside > P99_TIMES_MAX * before)


def main(words: list[str]) -> int:
    """Measure both, or those named."""
    size = SMALL if "small" in words else FULL
    seconds = next((float(w.partition("=")[2]) for w in words if w.startswith("seconds=")), 20.0)
    kinds = [
        kind for kind in ("ours", "kafka") if kind in words or not {"ours", "kafka"} & {*words}
    ]
    return max(asyncio.run(run(kind, size, seconds)) for kind in kinds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
