"""EDGE: transactional sends: our client beside aiokafka and confluent-kafka, by transaction size.

Every client in a process of its own, in alternating rounds; a ratio is the median over rounds of
ours divided by theirs in the same round.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.client.transactional_loads import LOADS
from tests.bench.servers import ROOT, Server, renew_topic

TOPIC = "bench-transactional-sends"
SIZES = (1, 10, 100, 1_000, 10_000)  # records of a transaction
SECONDS = 2.0
LOAD_TIMEOUT_S = 300
# (ours, theirs, at least this many times theirs)
TARGETS = (
    ("ours", "aiokafka", 3.0),
    ("ours", "confluent, on_delivery", 1.0),
    ("ours, send_many", "aiokafka", 3.0),
    ("ours, send_many", "confluent", 1.0),
)
Measured = dict[str, list[float]]


def measure(console: Console, server: Server, rounds: int, sizes: Sequence[int] = SIZES) -> None:
    """Print the tables for one server."""
    measured: dict[int, Measured] = {}
    for size in sizes:
        asyncio.run(renew_topic(server, TOPIC, 1))
        found = measured[size] = {client: [] for client in LOADS}
        for number in range(rounds):
            for client in [*LOADS][:: 1 if number % 2 else -1]:
                found[client].append(_load(server, client, size))
    console.print(_rates(server.name, measured))
    console.print(_ratios(measured))


def _rates(server: str, measured: dict[int, Measured]) -> Table:
    """Transactions a second, and of ours records."""
    title = f"{server}: transactions a second, each of so many records of 100 B"
    table = Table("records", title=title)
    for client in LOADS:
        table.add_column(client, justify="right")
    for client in ("ours", "ours, send_many"):
        table.add_column(f"{client}: records/s", justify="right")
    for size, found in measured.items():
        medians = {client: statistics.median(rates) for client, rates in found.items()}
        shown = [f"{each:,.0f}" if each >= 100 else f"{each:.1f}" for each in medians.values()]
        shown += [f"{medians[client] * size:,.0f}" for client in ("ours", "ours, send_many")]
        table.add_row(f"{size:,}", *shown)
    return table


def _ratios(measured: dict[int, Measured]) -> Table:
    table = Table("ours", "theirs", "wanted", title="ours to theirs, by records of a transaction")
    for size in measured:
        table.add_column(f"{size:,}", justify="right")
    for ours, theirs, wanted in TARGETS:
        cells = [_ratio(found[ours], found[theirs]) for found in measured.values()]
        table.add_row(ours, theirs, f">= {wanted:g}", *cells)
    return table


def _load(server: Server, client: str, size: int) -> float:
    arguments = (client, f"{server.host}:{server.port}", TOPIC, str(size), str(SECONDS))
    rate: float = said_by("tests.bench.client.transactional_loads", *arguments)
    return rate


def said_by(module: str, *arguments: str) -> Any:
    """The JSON that a load prints, which runs in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=LOAD_TIMEOUT_S,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _ratio(mine: Sequence[float], its: Sequence[float]) -> str:
    ratios = [ours / theirs for ours, theirs in zip(mine, its, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
