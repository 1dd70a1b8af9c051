"""EDGE: `make bench-client`: our client beside aiokafka, kafka-python and confluent-kafka.

Every load runs in a process of its own, in alternating rounds of one run, against our broker in
page-cache mode and a real Apache Kafka where there is one. Machines are noisy: read the ratios. A
ratio is the median over rounds of ours divided by theirs in the same round.
    make bench-client ARGS='--rounds 3 --sizes 100'
    make bench-client ARGS='--only transactions'                by transaction size (transacting.py)
    make bench-client ARGS='--against ../another-checkout'      ours against ours (before.py)
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.client import before as client_before
from tests.bench.client import transacting
from tests.bench.client.loads import LOADS, Figures
from tests.bench.loads import TOPIC
from tests.bench.servers import (
    Server,
    create_topics,
    install_wheel,
    our_broker,
    real_kafka,
    renew_topic,
)
from tests.bench.where import describe_run
from tests.support.processes.kafka import missing_tools

WIDTH = 110
IMPORT_ROUNDS = 15
BASE_IMPORTS = "import asyncio, construct, crc32c"
OUR_IMPORTS = tuple(f"from minibroker.client import {name}" for name in ("Producer", "Consumer"))
Name = tuple[str, str]
# what is asked for: (ours, theirs, at least this many times theirs); of p50, at most
TARGETS: Sequence[tuple[Name, Name, float]] = (
    (("ours", "send"), ("aiokafka", "send"), 2.5),
    (("ours", "send"), ("confluent", "on_delivery"), 1.0),
    (("ours", "send_many"), ("confluent", "on_delivery"), 3.0),
    (("ours", "send_many mixed"), ("confluent", "on_delivery"), 3.0),
    (("ours", "send_and_wait"), ("aiokafka", "send_and_wait"), 0.7),
    (("ours", "consume"), ("aiokafka", "consume"), 1.5),
)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-client ARGS=...", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000], help="of a record")
    parser.add_argument(
        "--seconds", type=float, default=transacting.SECONDS, help="per transacting load and size"
    )
    parser.add_argument("--only", choices=["records", "transactions"], help="half of it")
    parser.add_argument("--no-kafka", action="store_true", help="our broker only")
    parser.add_argument("--against", type=Path, help="another checkout, to compare our client with")
    args = parser.parse_args()
    console = Console(width=WIDTH, highlight=False)
    console.print(describe_run(f"medians of {args.rounds} alternating rounds"))
    commands = install_wheel()
    if args.against is not None:
        return _compare(console, install_wheel("before", args.against), commands, args)
    if args.only != "transactions":
        for ours in OUR_IMPORTS:
            console.print(_imports(commands / "python", ours))
    reason = "--no-kafka was given" if args.no_kafka else missing_tools()
    if reason is not None:
        console.print(f"no real Kafka in this run: {reason}")
    with ExitStack() as stack:
        page_cache = ("--durability", "page-cache")
        servers = [stack.enter_context(our_broker("our broker", commands, page_cache))]
        if reason is None:
            servers.append(stack.enter_context(real_kafka("Apache Kafka", {})))
        for server in servers:
            asyncio.run(create_topics(server, {TOPIC: 1, transacting.TOPIC: 1}))
            if args.only != "records":
                transacting.measure(console, server, args.rounds, args.seconds)
            for size in args.sizes if args.only != "transactions" else ():
                measured = _rounds(server, size, args.rounds)
                console.print(_table(f"{server.name}, {size} B records", measured))
                console.print(_ratios(measured))
    return 0


def _compare(console: Console, before: Path, now: Path, args: argparse.Namespace) -> int:
    """Our client now and before, at our broker as it is now."""
    sides = client_before.Sides(before, now)
    console.print(client_before.table_of("imports", client_before.imports(sides)))
    with our_broker("our broker", now, ("--durability", "page-cache")) as server:
        asyncio.run(create_topics(server, {TOPIC: 1}))
        for size in args.sizes:
            asyncio.run(renew_topic(server, TOPIC, 1))
            for _ in range(2):  # for all that consume
                sides.load("now", "send_many", server, size)
            rows = client_before.loads(sides, server, size, args.rounds)
            console.print(client_before.table_of(f"{size} B records", rows))
    return 0


def _rounds(server: Server, size: int, rounds: int) -> dict[Name, list[Figures]]:
    measured: dict[Name, list[Figures]] = {name: [] for name in LOADS}
    asyncio.run(renew_topic(server, TOPIC, 1))
    for _ in range(rounds):
        for name in LOADS:
            if name == ("ours", "consume"):
                asyncio.run(renew_topic(server, TOPIC, 1))
                for _ in range(2):  # for all that consume
                    _load(server, ("ours", "send_many"), size)
            measured[name].append(_load(server, name, size))
        asyncio.run(renew_topic(server, TOPIC, 1))
    return measured


def _load(server: Server, name: Name, size: int) -> Figures:
    arguments = (*name, f"{server.host}:{server.port}", TOPIC, str(size))
    figures: Figures = transacting.said_by("tests.bench.client.loads", *arguments)
    return figures


def _median(figures: Sequence[Figures], what: str) -> float:
    return statistics.median(each[what] for each in figures)


def _table(title: str, measured: dict[Name, list[Figures]]) -> Table:
    table = Table(title=title)
    for column in ("client", "load"):
        table.add_column(column)
    for column in ("records/s", "min-max", "p50 ms", "p99 ms", "MB"):
        table.add_column(column, justify="right")
    for (client, load), figures in measured.items():
        memory = f"{_median(figures, 'mb'):.0f}"
        if "rate" in figures[0]:
            rates = [each["rate"] for each in figures]
            spread = f"{min(rates):,.0f}-{max(rates):,.0f}"
            shown = [f"{statistics.median(rates):,.0f}", spread, "", ""]
        else:
            shown = ["", "", *(f"{_median(figures, each):.3f}" for each in ("p50", "p99"))]
        table.add_row(client, load, *shown, memory)
    return table


def _ratios(measured: dict[Name, list[Figures]]) -> Table:
    table = Table(title="ours beside theirs")
    for column in ("ours", "theirs"):
        table.add_column(column)
    for column in ("ratio", "min-max", "wanted"):
        table.add_column(column, justify="right")
    for ours, theirs, wanted in TARGETS:
        what = "p50" if "p50" in measured[ours][0] else "rate"
        pairs = zip(measured[ours], measured[theirs], strict=True)
        ratios = [mine[what] / its[what] for mine, its in pairs]
        bound = f"<= {wanted}" if what == "p50" else f">= {wanted}"
        shown = (f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}-{max(ratios):.2f}")
        table.add_row(ours[1], " ".join(theirs), *shown, bound)
    return table


def _imports(python: Path, our_imports: str) -> str:
    """How long the import of our client takes, beside what it stands on."""
    seconds: dict[str, list[float]] = {BASE_IMPORTS: [], our_imports: []}
    for _ in range(IMPORT_ROUNDS):
        for statement, taken in seconds.items():
            program = (
                "import time; began = time.perf_counter()\n"
                f"{statement}\nprint(time.perf_counter() - began)"
            )
            said = subprocess.run([python, "-c", program], capture_output=True, check=True)
            taken.append(float(said.stdout))
    base, ours = (statistics.median(taken) * 1000 for taken in seconds.values())
    pairs = zip(seconds[our_imports], seconds[BASE_IMPORTS], strict=True)
    ratio = statistics.median(mine / its for mine, its in pairs)
    return (
        f"import: {ours:.0f} ms for `{our_imports}` = {ratio:.2f} x `{BASE_IMPORTS}` "
        f"({base:.0f} ms; wanted: <= 1.4)"
    )


if __name__ == "__main__":
    sys.exit(main())
