"""EDGE: the console driven over HTTP, a producer beside it: does anybody wait for anybody?

    python -m tests.interop.console.load [ours] [kafka] [small] [seconds=20]   (make console-load)

Every page is asked for in turn, without a browser (driving.py): none may take longer than
REQUEST_MS_MAX. Beside that a producer sends one record at a time: its p99 with the console under
load is compared with its p99 before, in turns, so that what else the machine does falls on both
alike.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from minibroker.client.producer import Producer

from tests.interop.console.filling import FULL, SMALL, Size, fill, lively
from tests.interop.console.running import cluster, console_process, kinds_in, missing

REQUEST_MS_MAX = 300.0
TURNS = 4  # quiet, driven, quiet, driven
P99_TIMES_MAX = 1.5
LINE_BYTES_MAX = 16_000_000


class Measured(NamedTuple):
    """Latencies of produces, and times of requests by path, in ms."""

    quiet: list[float]
    driven: list[float]
    requests: dict[str, list[float]]


@asynccontextmanager
async def browsers_at(base: str) -> AsyncIterator[Process]:
    """Browsers that have seen every page once, and wait for a word."""
    command = (sys.executable, "-m", "tests.interop.console.driving", base)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES_MAX
    )
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("a page could not be had: see above")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def measure(servers: str, base: str, seconds: float) -> Measured:
    """Measure quiet and driven turns."""
    found = Measured([], [], {})
    async with Producer(servers, linger_ms=0) as producer, browsers_at(base) as browsers:
        assert browsers.stdin is not None
        assert browsers.stdout is not None
        for turn in range(TURNS):
            is_driven = bool(turn % 2)
            if is_driven:
                browsers.stdin.write(b"go\n")
            until = time.perf_counter() + seconds
            while (began := time.perf_counter()) < until:
                await producer.send_and_wait("payments", b"beside it")
                took = (time.perf_counter() - began) * 1000
                (found.driven if is_driven else found.quiet).append(took)
            if is_driven:
                browsers.stdin.write(b"stop\n")
        browsers.stdin.close()
        found.requests.update(json.loads(await browsers.stdout.readline()))
    return found


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
    kinds = kinds_in(words)
    if (why := missing(kinds)) is not None:
        print(f"console-load: {why}", file=sys.stderr)
        return 2
    return max([asyncio.run(run(kind, size, seconds)) for kind in kinds])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
