"""EDGE: `minibroker compare A B`: whether two Kafkas hold the same, and where they part.

Exit codes as those of diff: 0 nothing differs, 1 something does, 2 it could not be compared. What
differs by design is shown, and does not count. The comparison is in comparing/.
Tests: tests/system/commands/test_compare.py
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from ...client.config import ISOLATION_LEVELS
from ..asking.admin import parse_names
from ..comparing.comparison import AT_ONCE, Comparison, Wanted
from ..comparing.differences import Difference
from ..comparing.side import side_of
from ..terminal.addresses import parse_addresses
from ..terminal.counts import parse_count
from ..terminal.progress import counted
from ..terminal.running import running
from ..terminal.tables import table

SUMMARY = "compare two Kafkas: topics, configurations, records, positions"
EXAMPLES = (
    "compare 127.0.0.1:9092 kafka-1:9092,kafka-2:9092",
    "compare old:9092 new:9092 --by order --state compare.json --json",
)
HEADS = ("KIND", "TOPIC", "PARTITION", "NAME", "OFFSET", "A", "B", "BY DESIGN")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    for side in ("a", "b"):
        parser.add_argument(
            side,
            metavar=side.upper(),
            type=parse_addresses,
            help=f"HOST[:PORT],... of the {'first' if side == 'a' else 'second'} Kafka",
        )
        parser.add_argument(
            f"--command-config-{side}",
            metavar="FILE",
            help=f"properties of TLS and SASL for {side.upper()}, as --command-config elsewhere",
        )
    parser.add_argument(
        "--topics",
        type=parse_names,
        metavar="TOPIC,...",
        help="only these (default: all but internal ones and those that MirrorMaker keeps)",
    )
    groups = parser.add_mutually_exclusive_group()
    groups.add_argument(
        "--groups", type=parse_names, metavar="GROUP,...", help="only these (default: all)"
    )
    groups.add_argument("--no-groups", action="store_true", help="leave positions out")
    parser.add_argument(
        "--by",
        choices=("offset", "order"),
        default="offset",
        help="offset: records of one offset must be the same; order: the n-th of A and the n-th of "
        "B, whatever their offsets, as in a mirror (default: offset)",
    )
    parser.add_argument(
        "--b-goes-on",
        action="store_true",
        help="others write to B: what it has more, behind all that A has, is no difference",
    )
    parser.add_argument(
        "--isolation",
        choices=ISOLATION_LEVELS,
        default="read_committed",
        help="which records are looked at (default: read_committed)",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep there how far all is the same, and go on from there the next time",
    )
    parser.add_argument(
        "--partitions-at-once",
        type=parse_count,
        default=AT_ONCE,
        metavar="N",
        help=f"how many are read side by side (default: {AT_ONCE})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Compare."""
    return running("compare", lambda: _run(args))


async def _run(args: Namespace) -> int:
    wanted = Wanted(
        topics=args.topics,
        groups=args.groups,
        by_order=args.by == "order",
        may_go_on=(False, args.b_goes_on),
        state=args.state,
        at_once=args.partitions_at_once,
        with_positions=not args.no_groups,
    )
    isolation = ISOLATION_LEVELS.index(args.isolation)
    async with (
        side_of("A", args.a, args.command_config_a, isolation) as a,
        side_of("B", args.b, args.command_config_b, isolation) as b,
    ):
        comparison = Comparison(a, b, wanted)
        with counted("comparing") as bar:
            comparison.on_progress = lambda done, total: bar.show("comparing", done, total)
            await comparison.run()
    _show(comparison, as_json=args.json)
    return 0 if comparison.found.is_equal else 1


def _show(comparison: Comparison, *, as_json: bool) -> None:
    found = comparison.found
    if as_json:
        print(json.dumps(document_of(comparison)))
        return
    if found.kept:
        print(table(HEADS, [_row(each) for each in found.kept]))
    what = (
        f"{comparison.records:,} records, {len(comparison.logs):,} partitions and "
        f"{len(comparison.topics):,} topics"
    )
    if found.is_equal:
        also = "; what differs, may by design" if found.kept else ""
        print(f"equal: {what}{also}", file=sys.stderr)
        return
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.counts.items()))
    print(f"different: {counts}; the same are {comparison.records:,} records", file=sys.stderr)


def document_of(comparison: Comparison) -> dict[str, object]:
    """A comparison that has run, for machines."""
    found = comparison.found
    return {
        "equal": found.is_equal,
        "records": comparison.records,
        "partitions": len(comparison.logs),
        "topics": comparison.topics,
        "counts": dict(sorted(found.counts.items())),
        "differences": [_fields(each) for each in found.kept if not each.by_design],
        "by_design": [_fields(each) for each in found.kept if each.by_design],
    }


def _fields(each: Difference) -> dict[str, object]:
    """Without what does not apply."""
    fields = asdict(each)
    return {
        name: value
        for name, value in fields.items()
        if name in ("kind", "a", "b") or value not in ("", -1)
    }


def _row(each: Difference) -> tuple[object, ...]:
    offset: object = None if each.offset < 0 else each.offset
    if each.last_offset > each.offset >= 0:
        offset = f"{each.offset}-{each.last_offset}"
    partition = None if each.partition < 0 else each.partition
    names = (each.topic or None, partition, each.name or None)
    return (each.kind, *names, offset, each.a, each.b, each.by_design or None)
