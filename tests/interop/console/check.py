"""EDGE: the console looked at by a browser: on a broker of ours, and on a real Kafka, both full.

    python -m tests.interop.console.check PICTURES [ours] [kafka] [small]      (make console-check)

Pictures of each page lie in PICTURES/ours and PICTURES/kafka; complaints are printed, and are its
exit code. Needs Debian's Chromium, Playwright for Python, and axe-core (AXE names axe.min.js).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from minibroker.testing import ChildBroker

from tests.interop.console.browsing import Visitor
from tests.interop.console.filling import FULL, SMALL, Size, fill, lively
from tests.support.processes.kafka import RealKafka

CHROMIUM = "/usr/bin/chromium"
READY_S = 60


@asynccontextmanager
async def console_process(servers: str, *words: str) -> AsyncIterator[str]:
    """A console as people start it; its address."""
    command = [sys.executable, "-m", "minibroker", "console", "--until-input-ends"]
    command += ["--bootstrap-server", servers, "--listen", "127.0.0.1:0", *words]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(READY_S):
            line = (await process.stdout.readline()).decode()
        yield line.split()[3]
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def cluster(kind: str) -> AsyncIterator[str]:
    """Brokers of that kind; where they are."""
    async with AsyncExitStack() as stack:
        if kind == "ours":
            yield stack.enter_context(ChildBroker(durability="page-cache")).bootstrap_servers
        else:
            kafka = await asyncio.to_thread(lambda: stack.enter_context(RealKafka()))
            yield kafka.bootstrap_servers


async def look(kind: str, size: Size, pictures: Path, axe: str) -> list[str]:
    """Complaints about the console on one kind of cluster."""
    async with cluster(kind) as servers:
        began = time.monotonic()
        await fill(servers, size)
        print(f"{kind}: filled with {size} in {time.monotonic() - began:.0f} s", flush=True)
        rights = ("--allow", "changes", "--allow", "faults")
        async with lively(servers), console_process(servers, *rights) as base:
            visitor = Visitor(base, pictures, axe)
            await visitor.run(CHROMIUM)
    return visitor.complaints


def main(words: list[str]) -> int:
    """Look at both, or at those named."""
    pictures, *kinds = words
    size = SMALL if "small" in kinds else FULL
    axe = Path(os.environ["AXE"]).read_text(encoding="utf-8")
    complaints: list[str] = []
    for kind in ("ours", "kafka"):
        if kind in kinds or not {"ours", "kafka"} & set(kinds):
            folder = Path(pictures) / kind
            folder.mkdir(parents=True, exist_ok=True)
            complaints += asyncio.run(look(kind, size, folder, axe))
    print(f"{len(complaints)} complaints; pictures in {pictures}")
    return min(len(complaints), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
