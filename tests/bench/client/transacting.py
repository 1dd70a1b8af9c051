"""EDGE: transactional sends: our client beside aiokafka and confluent-kafka, by transaction size.

Every client in a process of its own, in alternating rounds; a ratio is the median over rounds of
ours divided by theirs in the same round. A round of all takes some 20 s on each server.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.bench.client.transactional_loads import LOADS
from tests.bench.servers import ROOT, Server, renew_topic

TOPIC = "bench-transactional-sends"
SIZES = (1, 10, 100, 1_000, 10_000)  # records of a transaction
SECONDS = 0.5  # for each size
LOAD_TIMEOUT_S = 120
# (ours, theirs, at least this many times theirs)
TARGETS = (
    ("ours", "aiokafka", 3.0),
    ("ours", "confluent, on_delivery", 1.0),  # both tell what became of each record
    ("ours", "confluent", 1.0),
    ("ours, send_many", "aiokafka", 3.0),
    ("ours, send_many", "confluent", 1.0),
)


class Figure(NamedTuple):
    """What one client reached in one round with one number of records."""

    rate: float  # transactions a second
    cpu_ms: float  # of the client's process, for each; says something on a busy machine, too


Measured = dict[str, list[Figure]]


def measure(
    console: Console, server: Server, rounds: int, seconds: float, sizes: Sequence[int] = SIZES
) -> None:
    """Print the tables for one server, and before them how far it has come."""
    measured: dict[int, Measured] = {size: {client: [] for client in LOADS} for size in sizes}
    for number in range(rounds):
        began = time.monotonic()
        asyncio.run(renew_topic(server, TOPIC, 1))
        for client in [*LOADS][:: 1 if number % 2 else -1]:
            for size, figure in zip(sizes, _load(server, client, seconds, sizes), strict=True):
                measured[size][client].append(figure)
        took = f"{time.monotonic() - began:.0f} s"
        console.print(f"{server.name}, transactions: round {number + 1} of {rounds} took {took}")
    console.print(_rates(server.name, measured))
    console.print(_costs(measured))
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
        medians = {each: statistics.median(one.rate for one in found[each]) for each in LOADS}
        shown = [f"{each:,.0f}" if each >= 100 else f"{each:.1f}" for each in medians.values()]
        shown += [f"{medians[client] * size:,.0f}" for client in ("ours", "ours, send_many")]
        table.add_row(f"{size:,}", *shown)
    return table


def _costs(measured: dict[int, Measured]) -> Table:
    """Processor time of each client."""
    table = Table("records", title="ms of the client's processor time for each transaction")
    for client in LOADS:
        table.add_column(client, justify="right")
    for size, found in measured.items():
        medians = (statistics.median(one.cpu_ms for one in found[each]) for each in LOADS)
        table.add_row(f"{size:,}", *(f"{each:.2f}" for each in medians))
    return table


def _ratios(measured: dict[int, Measured]) -> Table:
    table = Table("ours", "theirs", "wanted", title="ours to theirs, by records of a transaction")
    for size in measured:
        table.add_column(f"{size:,}", justify="right")
    for ours, theirs, wanted in TARGETS:
        cells = [_ratio(found[ours], found[theirs]) for found in measured.values()]
        table.add_row(ours, theirs, f">= {wanted:g}", *cells)
    return table


def _load(server: Server, client: str, seconds: float, sizes: Sequence[int]) -> list[Figure]:
    arguments = (client, f"{server.host}:{server.port}", TOPIC, str(seconds), *map(str, sizes))
    said = said_by("tests.bench.client.transactional_loads", *arguments)
    return [Figure(*each) for each in said]


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


def _ratio(mine: Sequence[Figure], its: Sequence[Figure]) -> str:
    ratios = [ours.rate / theirs.rate for ours, theirs in zip(mine, its, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
