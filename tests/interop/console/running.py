"""EDGE: what a look at the console needs: brokers of ours or a real Kafka, and a console at them.

What has to be there beforehand, because no verb fetches it, is said in words.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from minibroker.testing import ChildBroker

from tests.interop.console.filling import TIMEOUT_MS
from tests.support.processes.kafka import RealKafka, missing_tools

KINDS = ("ours", "kafka")
SETTINGS = {"transaction.max.timeout.ms": str(TIMEOUT_MS)}
READY_S = 60


def kinds_in(words: Sequence[str]) -> list[str]:
    """The kinds of cluster that are named on a command line; both if none is."""
    named = [each for each in KINDS if each in words]
    return named or [*KINDS]


def missing(kinds: Sequence[str]) -> str | None:
    """Why there can be no cluster of one of these kinds here; None if there can."""
    why = missing_tools() if "kafka" in kinds else None
    return f"a real Kafka {why}; ARGS=ours leaves it out" if why is not None else None


@asynccontextmanager
async def cluster(kind: str) -> AsyncIterator[str]:
    """Brokers of that kind; where they are."""
    async with AsyncExitStack() as stack:
        if kind == "ours":
            broker = ChildBroker(durability="page-cache", settings=SETTINGS)
            yield stack.enter_context(broker).bootstrap_servers
        else:
            kafka = RealKafka(settings=SETTINGS)
            await asyncio.to_thread(lambda: stack.enter_context(kafka))
            yield kafka.bootstrap_servers


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
