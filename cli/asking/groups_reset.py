"""EDGE: `minibroker groups reset-offsets`: which offset each partition is set to, and setting it.

Nothing is changed without --execute. The group must have no members. Where a goal leads is decided
in client/administer/resetting.py.
Source: ConsumerGroupCommand.java.
"""

from __future__ import annotations

import json
import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ...client.admin import Admin
from ...client.administer.resetting import NOT_FOUND, Goal, Known, new_offset
from ...client.cluster.list_offsets import EARLIEST, LATEST
from ...client.partitions import TopicPartition
from ..terminal.tables import table

DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def add_reset_arguments(parser: ArgumentParser) -> None:
    """Declare the options of reset-offsets."""
    parser.usage = (  # argparse would write all goals on one line of 200 columns
        "minibroker groups reset-offsets --group GROUP\n"
        "           (--topic TOPIC[:P,P] | --all-topics) GOAL [--dry-run | --execute]\n"
        "           [--bootstrap-server HOST[:PORT],...] [--json]\n"
        "where GOAL is one of --to-earliest --to-latest --to-current --to-offset\n"
        "--shift-by --by-duration --to-datetime"
    )
    parser.add_argument("--group", required=True, metavar="GROUP", help="which group")
    scope = parser.add_mutually_exclusive_group(required=True)
    scope.add_argument(
        "--topic",
        type=parse_topic,
        action="append",
        metavar="TOPIC[:P,P]",
        help="a topic, or some of its partitions; repeatable",
    )
    scope.add_argument(
        "--all-topics", action="store_true", help="every topic the group has committed"
    )
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--to-earliest", action="store_true", help="the first record")
    goal.add_argument("--to-latest", action="store_true", help="behind the last record")
    goal.add_argument("--to-current", action="store_true", help="what is committed")
    goal.add_argument("--to-offset", type=int, metavar="N", help="this offset")
    goal.add_argument("--shift-by", type=int, metavar="N", help="N further, or back if negative")
    goal.add_argument(
        "--by-duration",
        type=parse_duration,
        metavar="PnDTnHnMnS",
        help="the first record younger than this",
    )
    goal.add_argument(
        "--to-datetime",
        type=parse_datetime,
        metavar="TIME",
        help="the first record at or after YYYY-MM-DDTHH:MM:SS[.sss][Z|+HH:MM] (else UTC)",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="only show what would be (default)")
    mode.add_argument("--execute", action="store_true", help="do it")


def parse_topic(text: str) -> tuple[str, frozenset[int] | None]:
    """(topic, partitions or None for all) of TOPIC[:P,P]. Raises ArgumentTypeError."""
    topic, separator, numbers = text.partition(":")
    partitions = tuple(numbers.split(",")) if separator else ()
    if not topic or not all(each.isdecimal() for each in partitions):
        raise ArgumentTypeError(f"{text!r}: expected TOPIC or TOPIC:0,1,2")
    return topic, frozenset(map(int, partitions)) if separator else None


def parse_duration(text: str) -> timedelta:
    """An ISO 8601 duration such as P1DT2H30M. Raises ArgumentTypeError."""
    found = DURATION.fullmatch(text)
    parts = {} if found is None else {k: float(v) for k, v in found.groupdict().items() if v}
    if not parts:
        raise ArgumentTypeError(f"{text!r}: expected a duration such as P1D, PT2H or P1DT2H30M")
    return timedelta(**parts)


def parse_datetime(text: str) -> datetime:
    """A time of ISO 8601, in UTC unless it says otherwise. Raises ArgumentTypeError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: expected a time such as 2026-01-31T12:00:00") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


async def reset(admin: Admin, args: Namespace) -> int:
    """Show the new offsets, and set them with --execute."""
    committed = {
        place: each.offset for place, each in (await admin.list_group_offsets(args.group)).items()
    }
    places = await _places(admin, args, committed)
    wanted = await _wanted(admin, args, places, committed)
    group = await admin.describe_group(args.group)
    if group.members:
        raise ValueError(f"group {args.group} is {group.state}: stop its consumers first")
    if args.execute:
        await admin.alter_group_offsets(args.group, wanted)
    if args.json:
        offsets = [
            {"topic": place.topic, "partition": place.partition, "new_offset": offset}
            for place, offset in sorted(wanted.items())
        ]
        document = {"group": args.group, "executed": args.execute, "offsets": offsets}
        print(json.dumps(document))
        return 0
    rows = [(args.group, *place, offset) for place, offset in sorted(wanted.items())]
    print(table(("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"), rows))
    if not args.execute:
        print("nothing was changed: add --execute to do it", file=sys.stderr)
    return 0


async def _places(
    admin: Admin, args: Namespace, committed: Mapping[TopicPartition, int]
) -> list[TopicPartition]:
    topics: dict[str, set[int] | None] = {}
    if args.all_topics:
        if not committed:
            raise ValueError(f"group {args.group} has committed nothing: name a --topic")
        return sorted(committed)  # and no partition that it never committed
    for topic, partitions in args.topic:
        before = topics.setdefault(topic, set())
        topics[topic] = None if partitions is None or before is None else before | partitions
    described = await admin.describe_topics(topics)
    places = []
    for topic, chosen in topics.items():
        known = [each.partition for each in described[topic].partitions]
        missing: list[int] = sorted({*(chosen or ())} - {*known})
        if missing:
            count = len(known)
            raise ValueError(f"{topic} has {count} partitions, {missing[0]} is none of them")
        places += [
            TopicPartition(topic, each) for each in (known if chosen is None else sorted(chosen))
        ]
    return places


async def _wanted(
    admin: Admin,
    args: Namespace,
    places: list[TopicPartition],
    committed: Mapping[TopicPartition, int],
) -> dict[TopicPartition, int]:
    """The new offset of each partition."""
    starts = await _offsets_at(admin, places, EARLIEST)
    ends = await _offsets_at(admin, places, LATEST)
    goal, by = _goal(args, time.time() * 1000)
    since = await _offsets_at(admin, places, by) if goal is Goal.TIME else {}
    return {
        each: new_offset(
            each,
            Known(committed.get(each), starts[each], ends[each], since.get(each, NOT_FOUND)),
            goal,
            by,
        )
        for each in places
    }


def _goal(args: Namespace, now_ms: float) -> tuple[Goal, int]:
    """What is asked for; and the offset, how far to shift, or ms since 1970."""
    if args.to_earliest:
        return Goal.EARLIEST, 0
    if args.to_latest:
        return Goal.LATEST, 0
    if args.to_current:
        return Goal.CURRENT, 0
    if args.to_offset is not None:
        return Goal.OFFSET, args.to_offset
    if args.shift_by is not None:
        return Goal.SHIFT, args.shift_by
    if args.by_duration is not None:
        at_ms = now_ms - args.by_duration / timedelta(milliseconds=1)
    else:
        at_ms = args.to_datetime.timestamp() * 1000
    return Goal.TIME, max(0, int(at_ms))


async def _offsets_at(
    admin: Admin, places: list[TopicPartition], timestamp: int
) -> dict[TopicPartition, int]:
    found = await admin.list_offsets(dict.fromkeys(places, timestamp))
    return {place: found[place].offset for place in places}
