"""EDGE: `make hostile`: every named attack, and requests drawn from the schemas; prints a table.

    python -m tests.hostile --seconds 60 --seed 1       all of it; drawn requests for so long
    python -m tests.hostile --only long_names drawn     some of it; proxied: `minibroker proxy`
    python -m tests.hostile --only drawn --seed 1 --number 4711     one drawn request again
    python -m tests.hostile --kafka                     a real Apache Kafka instead of ours
    python -m tests.hostile --minutes 30 --seed 1       long.py: everything at random, for long

Each attack meets a new broker (page-cache) with a good client beside it. Exit code 1 when that
client waited more than 250 ms, or more than 50 ms at p99, when the broker's memory grew by more
than 300 MB, when somebody was not answered, or the broker died.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from rich.console import Console
from rich.table import Table

from tests.hostile.arena import Arena
from tests.hostile.attacker import ATTACKS
from tests.hostile.judge import BOUNDS, Judgement
from tests.support.processes.kafka import RealKafka

DRAWN_A_BROKER_S = 20.0
REQUESTS_MAX = 10**9
SIZE_MAX = 1_000_000
BLAMED_MAX = 4
FAULTS_SHOWN = 4
PROXIED_S = 5.0
NAMES = (*ATTACKS, "proxied", "drawn")


def main() -> int:
    """See the file's docstring."""
    args = _arguments()
    seed = args.seed if args.seed is not None else random.randrange(10**6)
    console = Console(width=150, highlight=False)
    if args.minutes:
        from tests.hostile.long import run_long

        return run_long(args.minutes, seed)
    names = args.only or NAMES
    judgements = []
    with RealKafka() if args.kafka else nullcontext() as kafka:
        for judged in _judgements(Arena(kafka), names, seed, args):
            judgements.append(judged)
            console.print(_line(judged), markup=False)
    console.print(_table(judgements))
    faulty = [each for each in judgements if each.faults]
    for each in faulty:
        only = each.name.partition(" ")[0]
        again = f"--seed {seed}" if only not in ATTACKS else f"--size {args.size:g}"
        console.print(f"again: make hostile ARGS='--only {only} {again}'", markup=False)
    console.print(f"{len(judgements) - len(faulty)} of {len(judgements)} held")
    return 1 if faulty else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make hostile ARGS=...", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of drawn requests")
    parser.add_argument("--seed", type=int, help="of drawn requests; drawn and printed by default")
    parser.add_argument("--minutes", type=float, default=0.0, help="everything at random, so long")
    parser.add_argument("--only", nargs="+", choices=NAMES, help="of the attacks")
    parser.add_argument("--size", type=float, default=1.0, help="of the named attacks, up to 1")
    parser.add_argument("--kafka", action="store_true", help="attack a real Apache Kafka instead")
    parser.add_argument("--number", type=int, help="one drawn request instead of all")
    return parser.parse_args()


def _judgements(
    arena: Arena, names: Sequence[str], seed: int, args: argparse.Namespace
) -> Iterator[Judgement]:
    for name in names:
        if name == "proxied":
            if not args.kafka:
                told = [str(seed), str(PROXIED_S)]
                yield arena.judged_at_proxy(name, ["spoilt", "{port}", *told])
        elif name != "drawn":
            yield arena.judged(name, ["named", "{port}", str(args.size), name])
        elif args.number is not None:
            yield _drawn(arena, seed, args.number, 1, DRAWN_A_BROKER_S)
        else:
            # Several brokers in turn: what one has collected must not decide all that follows.
            left, first = args.seconds, 0
            while left > 0:
                yield _drawn(arena, seed, first, REQUESTS_MAX, min(left, DRAWN_A_BROKER_S))
                left -= DRAWN_A_BROKER_S
                first += REQUESTS_MAX


def _drawn(arena: Arena, seed: int, first: int, several: int, seconds: float) -> Judgement:
    told = [seed, first, several, seconds, SIZE_MAX]
    name = f"drawn from {first}, seed {seed}"
    judged = arena.judged(name, ["drawn", "{port}", *map(str, told)])
    if judged.worst > BOUNDS.worst_ms:
        judged.faults += _blamed(judged, seed)
    return judged


def _blamed(judged: Judgement, seed: int) -> Iterator[str]:
    """The requests under way while the good client waited longest, with how to send one again."""
    began, ended = judged.worst_at, judged.worst_at + judged.worst / 1000
    under_way = [
        each
        for each in judged.told
        if "number" in each and each["began"] < ended and each["ended"] > began
    ]
    for each in sorted(under_way, key=lambda each: each["began"] - each["ended"])[:BLAMED_MAX]:
        again = f"make hostile ARGS='--only drawn --seed {seed} --number {each['number']}'"
        took_ms = (each["ended"] - each["began"]) * 1000
        yield f"beside it: {each['name']}, answered after {took_ms:.0f} ms: {again}"


def _line(judged: Judgement) -> str:
    return "\n".join(
        [
            f"{judged.name}: worst {judged.worst:.0f} ms, p99 {judged.p99:.1f} ms "
            f"(alone {judged.quiet_p99:.1f}), +{judged.grew_mb:.0f} MB, {judged.seconds:.1f} s"
            + ("" if not judged.faults else "  FAULT"),
            *(f"    {each}" for each in judged.faults[: FAULTS_SHOWN + BLAMED_MAX]),
        ]
    )


def _table(judgements: list[Judgement]) -> Table:
    table = Table(title="a good client beside each attack; times in ms")
    table.add_column("attack")
    for column in ("worst", "p99", "p50", "p99 alone", "MB more", "seconds", "faults"):
        table.add_column(column, justify="right")
    for each in judgements:
        numbers = [f"{value:.1f}" for value in (each.worst, each.p99, each.p50, each.quiet_p99)]
        more = [f"{each.grew_mb:.0f}", f"{each.seconds:.1f}", str(len(each.faults) or "")]
        table.add_row(each.name, *numbers, *more)
    return table


if __name__ == "__main__":
    sys.exit(main())
