"""EDGE: `make bench`: our broker beside a real Apache Kafka, in alternating rounds of one run.

Machines are noisy: read the ratios, not the absolutes. A ratio is the median over rounds of ours
divided by Kafka's in the same round. Every server is warmed up before the first round.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.raw_client import Case, Measured, run
from tests.bench.servers import (
    ROOT,
    TOPIC,
    Server,
    create_topic,
    echo_server,
    install_wheel,
    our_broker,
    real_kafka,
)
from tests.bench.starting import measure_starts
from tests.support.kafka import missing_tools

SINGLES, ONE = (
    Case("100 B singles, 50 in flight", 1, 100, 50),
    Case("100 B, one at a time", 1, 100, 1),
)
PAGE_CACHE_CASES = (
    SINGLES,
    ONE,
    Case("150 x 100 B batches, 20 in flight", 150, 100, 20),
    Case("16 KB records, 20 in flight", 1, 16_384, 20),
    Case("1 MB records, 5 in flight", 1, 1_000_000, 5),
)
FSYNC_CASES = (SINGLES, ONE)
FSYNC_KAFKA = {"log.flush.interval.messages": "1"}
WARM_UP_S = 3.0

Rounds = dict[str, dict[str, list[Measured]]]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each case and round")
    parser.add_argument("--no-kafka", action="store_true", help="ours and the echo server only")
    args = parser.parse_args()
    reason = "--no-kafka was given" if args.no_kafka else missing_tools()
    if reason is not None:
        print(f"no real Kafka in this run: {reason}")
    commands = install_wheel()
    console = Console()
    console.print(_where(args))
    measure_starts(console, commands, args.rounds)
    _compare(console, commands, args, reason is None, "page-cache", PAGE_CACHE_CASES, {})
    _compare(console, commands, args, reason is None, "fsync", FSYNC_CASES, FSYNC_KAFKA)
    return 0


def _compare(
    console: Console,
    commands: Path,
    args: argparse.Namespace,
    with_kafka: bool,
    durability: str,
    cases: Sequence[Case],
    kafka_settings: dict[str, str],
) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(our_broker("ours", commands, ("--durability", durability)))
        servers = [ours]
        if with_kafka:
            servers.append(stack.enter_context(real_kafka("Kafka", kafka_settings)))
        for server in servers:
            asyncio.run(create_topic(server))
        servers.append(stack.enter_context(echo_server("echo")))
        for server in servers:
            for case in cases:
                run((server.host, server.port), case, TOPIC, WARM_UP_S)
        measured = _rounds(servers, cases, args)
        console.print(_table(durability, cases, measured))
        console.print(f"memory of our broker after the run: {ours.memory_mb:.0f} MB\n")


def _rounds(servers: Sequence[Server], cases: Sequence[Case], args: argparse.Namespace) -> Rounds:
    measured: Rounds = {case.name: {server.name: [] for server in servers} for case in cases}
    for number in range(args.rounds):
        order = servers if number % 2 == 0 else servers[::-1]
        for case in cases:
            for server in order:
                found = run((server.host, server.port), case, TOPIC, args.seconds)
                measured[case.name][server.name].append(found)
    return measured


def _table(durability: str, cases: Sequence[Case], measured: Rounds) -> Table:
    table = Table(title=f"raw Produce over one socket, durability={durability}")
    table.add_column("load")
    for column in ("ours", "Kafka", "ratio", "spread", "echo", "of echo"):
        table.add_column(column, justify="right")
    for case in cases:
        rows = measured[case.name]
        ours = rows["ours"]
        kafka = rows.get("Kafka", [])
        ratios = [a.requests_per_s / b.requests_per_s for a, b in zip(ours, kafka, strict=False)]
        echo = _median(rows["echo"], _rate)
        table.add_row(
            case.name,
            _shown(case, ours),
            _shown(case, kafka) if kafka else "-",
            f"{statistics.median(ratios):.2f}" if ratios else "-",
            f"{min(ratios):.2f}-{max(ratios):.2f}" if ratios else "-",
            f"{echo:,.0f}/s",
            f"{_median(ours, _rate) / echo:.2f}",
        )
    return table


def _shown(case: Case, rounds: Sequence[Measured]) -> str:
    rate = f"{_median(rounds, _rate):,.0f}/s"
    if case.in_flight == 1:
        return f"{rate}, p50 {_median(rounds, lambda each: each.p50_ms):.3f} ms"
    if case.batch_bytes > 1000:
        return f"{_median(rounds, lambda each: each.megabytes_per_s(case)):,.0f} MB/s"
    return rate


def _rate(measured: Measured) -> float:
    return measured.requests_per_s


def _median(rounds: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    return statistics.median(map(figure, rounds))


def _where(args: argparse.Namespace) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    ).stdout.strip()
    return (
        f"commit {commit or 'unknown'}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}; medians of {args.rounds} alternating rounds of "
        f"{args.seconds} s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
