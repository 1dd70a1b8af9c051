"""EDGE: `make bench`: our broker beside a real Apache Kafka, in alternating rounds of one run.

Machines are noisy: read the ratios, not the absolutes. A ratio is the median over rounds of ours
divided by Kafka's in the same round. Every server is warmed up before the first round.
    make bench ARGS=--no-kafka      ours and the echo server only
    make bench ARGS=--profile       where the time of one Produce goes, without sockets
    make bench ARGS=--scale         10,000 partitions, recovery: without sockets or Kafka
    make bench ARGS=--picture       and draw docs/benchmarks.png
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tests.bench.clients import aiokafka_rate, confluent_rate
from tests.bench.handler import handler_microseconds, profile
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
    renew_topic,
)
from tests.bench.starting import measure_starts
from tests.bench.tables import Rates, ratio, show_clients, show_raw
from tests.support.kafka import missing_tools

SINGLES = Case("100 B singles, 50 in flight", 1, 100, 50)
ONE = Case("100 B, one at a time", 1, 100, 1)
PAGE_CACHE_CASES = (
    SINGLES,
    ONE,
    Case("150 x 100 B batches, 20 in flight", 150, 100, 20),
    Case("16 KB records, 20 in flight", 1, 16_384, 20),
    Case("1 MB records, 5 in flight", 1, 1_000_000, 5),
)
FSYNC_CASES = (SINGLES, ONE)
FSYNC_KAFKA = {"log.flush.interval.messages": "1"}
CLIENTS: dict[str, Callable[[Server], float]] = {
    "confluent-kafka": confluent_rate,
    "aiokafka": aiokafka_rate,
}
WARM_UP_S = 3.0
WIDTH = 110
PICTURE = ROOT / "docs" / "benchmarks.png"


def main() -> int:
    """Measure and print."""
    args = _arguments()
    console = Console(width=WIDTH, highlight=False)
    where = _where(args)
    console.print(where)
    if args.profile:
        console.print(profile(SINGLES))
        return 0
    reason = "--no-kafka was given" if args.no_kafka else missing_tools()
    if reason is not None:
        console.print(f"no real Kafka in this run: {reason}")
    _handlers(console)
    commands = install_wheel()
    measure_starts(console, commands, args.rounds)
    ratios: dict[str, float] = {}
    for durability, cases, settings in (
        ("page-cache", PAGE_CACHE_CASES, {}),
        ("fsync", FSYNC_CASES, FSYNC_KAFKA),
    ):
        with ExitStack() as stack:
            servers = _start(stack, commands, durability, None if reason else settings)
            _raw(console, args, durability, servers, cases, ratios)
            if durability == "page-cache":
                _real_clients(console, args, servers, ratios)
            memory = servers[0].memory_mb
            console.print(f"memory of our broker after the run: {memory:.0f} MB\n")
    if args.picture and ratios:
        from tests.bench.picture import draw

        draw(ratios, where, PICTURE)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load and round")
    parser.add_argument("--no-kafka", action="store_true", help="ours and the echo server only")
    parser.add_argument("--profile", action="store_true", help="where one Produce's time goes")
    parser.add_argument("--picture", action="store_true", help=f"draw {PICTURE.name}")
    return parser.parse_args()


def _start(
    stack: ExitStack, commands: Path, durability: str, kafka_settings: dict[str, str] | None
) -> list[Server]:
    """Ours, Kafka unless its settings are None, the echo server; the first two with the topic."""
    servers = [stack.enter_context(our_broker("ours", commands, ("--durability", durability)))]
    if kafka_settings is not None:
        servers.append(stack.enter_context(real_kafka("Kafka", kafka_settings)))
    for server in servers:
        asyncio.run(create_topic(server))
    servers.append(stack.enter_context(echo_server("echo")))
    return servers


def _raw(
    console: Console,
    args: argparse.Namespace,
    durability: str,
    servers: Sequence[Server],
    cases: Sequence[Case],
    ratios: dict[str, float],
) -> None:
    for server in servers:
        for case in cases:
            _measure(server, case, WARM_UP_S)
    measured = {case: Rates() for case in cases}
    for number in range(args.rounds):
        for case in cases:
            for server in servers if number % 2 == 0 else servers[::-1]:
                found = _measure(server, case, args.seconds)
                measured[case].add(server.name, found.requests_per_s, found.p50_ms)
    show_raw(console, f"raw Produce over one socket, durability={durability}", measured)
    for case, rates in measured.items():
        if rates.has("Kafka"):
            ratios[f"{durability}: {case.name}"] = ratio(rates)


def _measure(server: Server, case: Case, seconds: float) -> Measured:
    found = run((server.host, server.port), case, TOPIC, seconds)
    if server.name != "echo":
        asyncio.run(renew_topic(server))
    return found


def _real_clients(
    console: Console, args: argparse.Namespace, servers: Sequence[Server], ratios: dict[str, float]
) -> None:
    brokers = [server for server in servers if server.name != "echo"]
    measured = {name: Rates() for name in CLIENTS}
    for number in range(args.rounds + 1):
        for name, rate in CLIENTS.items():
            for server in brokers if number % 2 == 0 else brokers[::-1]:
                found = rate(server)
                if number:  # the first round warms up
                    measured[name].add(server.name, found, 0.0)
    show_clients(console, measured)
    for name, rates in measured.items():
        if rates.has("Kafka"):
            ratios[f"{name}, 100 B, idempotent"] = ratio(rates)


def _handlers(console: Console) -> None:
    shown = [
        f"{case.name.partition(',')[0]} {handler_microseconds(case, 'page-cache'):.1f} us"
        for case in PAGE_CACHE_CASES
        if case is not ONE
    ]
    console.print("the broker's own time for one Produce, without sockets: " + ", ".join(shown))


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
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; "
        f"medians of {args.rounds} alternating rounds of {args.seconds:g} s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
