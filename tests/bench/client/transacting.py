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

from rich.console import Console
from rich.table import Table

from tests.bench.client.transactional_loads import LOADS
from tests.bench.servers import ROOT, Server, renew_topic

TOPIC = "bench-transactional-sends"
SIZES = (1, 10, 100, 1_000, 10_000)  # records of a transaction
SECONDS = 2.0
LOAD_TIMEOUT_S = 120
# theirs -> ours is to be at least so many times theirs
TARGETS = {"aiokafka": 3.0, "confluent-kafka": 1.0}
OURS = "ours"


def measure(console: Console, server: Server, rounds: int, sizes: Sequence[int] = SIZES) -> None:
    """Print the table for one server."""
    clients = [name for name in LOADS if name not in TARGETS]
    table = Table(title=f"{server.name}: transactions of 100 B records, one after the other")
    table.add_column("records of each", justify="right")
    for client in LOADS:
        table.add_column(f"{client}\ntransactions/s", justify="right")
    table.add_column("ours\nrecords/s", justify="right")
    for theirs, wanted in TARGETS.items():
        table.add_column(f"{OURS} to\n{theirs}\n(wanted {wanted:g})", justify="right")
    assert clients[0] == OURS
    for size in sizes:
        asyncio.run(renew_topic(server, TOPIC, 1))
        measured: dict[str, list[float]] = {client: [] for client in LOADS}
        for number in range(rounds):
            for client in [*LOADS][:: 1 if number % 2 else -1]:
                measured[client].append(_load(server, client, size))
        medians = {client: statistics.median(rates) for client, rates in measured.items()}
        shown = [_figure(each) for each in medians.values()]
        shown.append(f"{medians[OURS] * size:,.0f}")
        shown += [_ratio(measured[OURS], measured[theirs]) for theirs in TARGETS]
        table.add_row(f"{size:,}", *shown)
    console.print(table)


def _load(server: Server, client: str, size: int) -> float:
    arguments = (client, f"{server.host}:{server.port}", TOPIC, str(size), str(SECONDS))
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.client.transactional_loads", *arguments],
        capture_output=True,
        text=True,
        timeout=LOAD_TIMEOUT_S,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{client} at {server.name}: {done.stderr[-2000:]}")
    rate: float = json.loads(done.stdout.splitlines()[-1])
    return rate


def _ratio(mine: Sequence[float], its: Sequence[float]) -> str:
    ratios = [ours / theirs for ours, theirs in zip(mine, its, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def _figure(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.1f}"
