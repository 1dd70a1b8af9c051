"""EDGE: `make bench`: our broker beside a real Apache Kafka, in alternating rounds of one run.

Machines are noisy: read the ratios, not the absolutes. A ratio is the median over rounds of ours
divided by Kafka's in the same round. Every server is warmed up before the first round.
    make bench ARGS="--only consume"    one of PARTS alone
    make bench ARGS="--against WHEEL"   beside an earlier build (or checkout) and beside itself
    make bench ARGS=--no-kafka          without a real Kafka
    make bench ARGS=--profile           where the time of one Produce goes, without sockets
    make bench ARGS=--overhead          what faults, explanations and counting cost one Produce
    make bench ARGS=--scrape            how long a scrape of 10,000 partitions holds the loop
    make bench ARGS=--picture           and draw docs/benchmarks.png
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.bench.generator import missing_go
from tests.bench.loads import SINGLES
from tests.bench.parts.consuming import measure_consuming
from tests.bench.parts.flushing import measure_flushing
from tests.bench.parts.guarding import measure_guarding
from tests.bench.parts.handler import profile
from tests.bench.parts.journaling import measure_journaling
from tests.bench.parts.overhead import TAKEN_OUT, overhead_table
from tests.bench.parts.requests import measure_clients, measure_requests
from tests.bench.parts.scale import measure_scale
from tests.bench.parts.scraping import scraping_table
from tests.bench.parts.securing import measure_securing
from tests.bench.parts.starting import measure_starts
from tests.bench.parts.transacting import measure_transacting
from tests.bench.run import Run
from tests.bench.servers import ROOT, install_wheel
from tests.bench.where import describe_run
from tests.support.processes.kafka import missing_tools

PARTS: dict[str, Callable[[Run], dict[str, float]]] = {
    "start": measure_starts,
    "requests": measure_requests,
    "clients": measure_clients,
    "consume": measure_consuming,
    "flush": measure_flushing,
    "scale": measure_scale,
    "transactions": measure_transacting,
    "session": measure_journaling,
    "tls": measure_securing,
    "rights": measure_guarding,
}
COMPARED = ("requests", "clients", "consume")  # with an earlier build
BY_GENERATOR = ("requests", "flush", "tls", "rights")
WIDTH = 150
PICTURE = ROOT / "docs" / "benchmarks.png"


def main() -> int:
    """Measure and print."""
    args = _arguments()
    console = Console(width=WIDTH, highlight=False)
    where = describe_run(f"medians of {args.rounds} alternating rounds of {args.seconds:g} s")
    console.print(where)
    if args.profile:
        console.print(profile(SINGLES))
        return 0
    if args.overhead:
        for part in TAKEN_OUT:
            console.print(overhead_table(part))
        return 0
    if args.scrape:
        console.print(scraping_table())
        return 0
    if args.against is not None:
        before = install_wheel("before", args.against)
        run = Run(console, install_wheel(), args.rounds, args.seconds, "it is not asked", before)
    else:
        reason = "--no-kafka was given" if args.no_kafka else missing_tools()
        if reason is not None:
            console.print(f"no real Kafka in this run: {reason}")
        run = Run(console, install_wheel(), args.rounds, args.seconds, reason)
    ratios: dict[str, float] = {}
    for part in args.only or (COMPARED if run.before else PARTS):
        if part in BY_GENERATOR and (missing := missing_go()) is not None:
            console.print(f"left out: {part}: {missing}")
            continue
        ratios |= PARTS[part](run)
    if run.before is not None:
        console.print(*(run.slower or ["no row is slower than before"]), sep="\n")
        return 1 if run.slower else 0
    if args.picture and ratios:
        from tests.bench.picture import draw

        draw(ratios, where, PICTURE)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each load and round")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="these parts, in this order")
    parser.add_argument(
        "--against", type=Path, metavar="WHEEL", help="an earlier build, or checkout"
    )
    parser.add_argument("--no-kafka", action="store_true", help="without a real Kafka")
    parser.add_argument("--profile", action="store_true", help="where one Produce's time goes")
    parser.add_argument("--overhead", action="store_true", help="of parts, see overhead.py")
    parser.add_argument("--scrape", action="store_true", help="of very many partitions")
    parser.add_argument("--picture", action="store_true", help=f"draw {PICTURE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
