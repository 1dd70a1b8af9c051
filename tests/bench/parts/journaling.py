"""EDGE: what a durable session costs its producer, beside the same producer without one.

Alternating rounds in one process, against our broker in another: a loop of send, with a mark each
where there is a session, then every delivery. And one record at a time, which costs one flush more.
Each session is removed behind its round: a machine whose memory is all taken by journals that
nobody needs would be measured, and on a virtual one memory that was never used before costs most.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from minibroker.client import Producer
from rich.table import Table

from tests.bench.run import Run
from tests.bench.servers import Server, create_topics, our_broker

RECORDS = {100: 100_000, 1_000: 30_000}  # by size
WAITS = 200
PARTITIONS = 4
TOPIC = "bench-session"
KINDS = ("without", "page-cache", "fsync")
LEAST = {"page-cache": 0.85, "fsync": 0.6}
MS = 1000


def measure_journaling(run: Run) -> dict[str, float]:
    """Print the table; returns with a session to without, by load."""
    table = Table("records", *KINDS, "page-cache to without", "fsync to without")
    table.title = "a producer with a durable session, 4 partitions, records a second"
    ratios: dict[str, float] = {}
    with ExitStack() as stack:
        options = ("--durability", "page-cache")
        server = stack.enter_context(our_broker("ours", run.commands, options))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asyncio.run(create_topics(server, {TOPIC: PARTITIONS}))
        for size in RECORDS:
            rounds = asyncio.run(_rounds(run, server, folder, size))
            medians = [statistics.median(each[kind] for each in rounds) for kind in KINDS]
            row = []
            for kind in KINDS[1:]:
                ratio = statistics.median(each[kind] / each["without"] for each in rounds)
                ratios[f"session, {kind}: {size} bytes"] = ratio
                row.append(f"{ratio:.2f} (at least {LEAST[kind]})")
            table.add_row(f"{size} bytes", *(f"{each:,.0f}" for each in medians), *row)
        waits = asyncio.run(_waits(run, server, folder))
    run.console.print(table)
    run.console.print(
        "one at a time, p50: "
        + ", ".join(f"{kind} {statistics.median(waits[kind]):.2f} ms" for kind in KINDS)
    )
    return ratios


def producer(server: Server, kind: str, folder: Path) -> Producer:
    """One without a session, or with a new one."""
    options: dict[str, Any] = {}
    if kind != "without":
        options = {"session": str(folder / uuid4().hex), "session_durability": kind}
    return Producer(f"{server.host}:{server.port}", **options)


async def _rounds(run: Run, server: Server, folder: Path, size: int) -> list[dict[str, float]]:
    rounds = []
    for number in range(run.rounds + 1):
        order = KINDS if number % 2 == 0 else KINDS[::-1]
        found = {kind: await _rate(server, kind, folder, size) for kind in order}
        if number:  # the first round warms up
            rounds.append(found)
    return rounds


async def _rate(server: Server, kind: str, folder: Path, size: int) -> float:
    """Records a second, from the first send to the last receipt."""
    with tempfile.TemporaryDirectory(dir=folder) as sessions:
        return await _rate_of(producer(server, kind, Path(sessions)), kind, size)


async def _rate_of(made: Producer, kind: str, size: int) -> float:
    value, count = b"x" * size, RECORDS[size]
    async with made as one:
        await one.send_and_wait(TOPIC, value)
        began = time.perf_counter()
        if kind == "without":
            deliveries = [await one.send(TOPIC, value) for _ in range(count)]
        else:
            deliveries = [
                await one.send(TOPIC, value, mark=("file", number)) for number in range(count)
            ]
        for delivery in deliveries:
            await delivery
        return count / (time.perf_counter() - began)


async def _waits(run: Run, server: Server, folder: Path) -> dict[str, list[float]]:
    """ms of single records that somebody waits for."""
    waits: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(run.rounds):
        for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
            async with producer(server, kind, folder) as one:
                for _ in range(WAITS):
                    began = time.perf_counter()
                    await one.send_and_wait(TOPIC, b"x" * 100)
                    waits[kind].append((time.perf_counter() - began) * MS)
    return waits
