"""EDGE: `minibroker groups list|describe|reset-offsets|delete`: groups of any Kafka broker.

Flags feel like kafka-consumer-groups; `--json` prints one JSON document for machines. Works through
Admin; which offset a group is set to is computed in asking/groups_reset.py.
Tests: tests/system/commands/test_command_transcript.py
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace

from ...client.admin import Admin, GroupDescription
from ...client.cluster.list_offsets import LATEST
from ...client.errors import ClientError
from ...client.partitions import TopicPartition
from ..asking.admin import run_verb
from ..asking.groups_reset import add_reset_arguments, reset
from ..terminal.addresses import add_bootstrap_server
from ..terminal.running import CommandFailed, complain
from ..terminal.tables import places_cell, table
from ..terminal.visible import visible

SUMMARY = "list, describe, rewind or delete consumer groups"
EXAMPLES = (
    "groups describe --group billing",
    "groups reset-offsets --group billing --all-topics --to-earliest",
    "groups reset-offsets --group b --topic orders:0,1 --shift-by -10 --execute",
    "groups list",
    "groups list --state Stable,Empty --json",
    "groups describe --all-groups --members --verbose",
    "groups delete --group billing",
    "groups delete --all-groups --json",
)
DEAD = "Dead"  # the state in which Kafka describes a group that does not exist


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = commands.add_parser("list", help="the groups there are")
    listing.add_argument(
        "--state",
        nargs="?",
        const="",
        metavar="STATE,...",
        help="show states; with names, only groups in these (Stable, Empty, ...)",
    )
    listing.add_argument("--verbose", action="store_true", help="show states and types")
    describe = commands.add_parser("describe", help="offsets and lag, members, or state")
    what = describe.add_mutually_exclusive_group()
    what.add_argument("--offsets", action="store_true", help="committed offsets (the default)")
    what.add_argument("--members", action="store_true", help="who is in the group")
    what.add_argument("--state", action="store_true", help="state, coordinator and protocol")
    describe.add_argument("--verbose", action="store_true", help="with --members: partitions")
    reset_offsets = commands.add_parser("reset-offsets", help="set what a group has committed")
    add_reset_arguments(reset_offsets)
    delete = commands.add_parser("delete", help="forget groups and their offsets")
    for command in (describe, delete):
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("--group", action="append", metavar="GROUP", help="repeatable")
        which.add_argument("--all-groups", action="store_true", help="every group there is")
    for command in (listing, describe, reset_offsets, delete):
        add_bootstrap_server(command)
        command.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Run one verb."""
    verbs = {"list": _list, "describe": _describe, "reset-offsets": reset, "delete": _delete}
    return run_verb("groups", verbs[args.verb], args)


async def _list(admin: Admin, args: Namespace) -> int:
    states = [name.strip() for name in (args.state or "").split(",") if name.strip()]
    groups = await admin.list_groups(states)
    if args.json:
        print(
            json.dumps(
                [
                    {
                        "group": each.group_id,
                        "type": each.group_type,
                        "protocol_type": each.protocol_type,
                        "state": each.state,
                    }
                    for each in groups
                ]
            )
        )
    elif args.verbose:
        rows = [(e.group_id, e.group_type, e.protocol_type or None, e.state) for e in groups]
        print(table(("GROUP", "TYPE", "PROTOCOL-TYPE", "STATE"), rows))
    elif args.state is not None:
        print(table(("GROUP", "STATE"), [(each.group_id, each.state) for each in groups]))
    elif groups:
        print("\n".join(visible(each.group_id) for each in groups))
    return 0


async def _describe(admin: Admin, args: Namespace) -> int:
    documents = []
    for name in await _names(admin, args):
        group = await admin.describe_group(name)
        offsets = await _offset_rows(admin, group)
        if group.state == DEAD and not offsets:
            raise CommandFailed(f"there is no group {name}")
        if args.json:
            documents.append(_document(group, offsets))
            continue
        if not group.members and not args.state:
            print(f"group {visible(name)} has no active members", file=sys.stderr)
        print(_text(group, offsets, args))
    if args.json:
        print(json.dumps(documents))
    return 0


def _text(group: GroupDescription, offsets: list[dict[str, object]], args: Namespace) -> str:
    if args.state:
        coordinator = None if group.coordinator < 0 else group.coordinator
        row = (group.group_id, coordinator, group.protocol or None, group.state, len(group.members))
        return table(("GROUP", "COORDINATOR", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"), [row])
    if args.members:
        heads = ["GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS"]
        rows = [
            [
                group.group_id,
                each.member_id,
                each.group_instance_id,
                each.client_host,
                each.client_id,
                len(each.partitions),
                *([places_cell(each.partitions)] if args.verbose else []),
            ]
            for each in group.members
        ]
        return table(heads + (["ASSIGNMENT"] if args.verbose else []), rows)
    heads = ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"]
    heads += ["CONSUMER-ID", "HOST", "CLIENT-ID"]
    return table(heads, [[group.group_id, *row.values()] for row in offsets])


async def _offset_rows(admin: Admin, group: GroupDescription) -> list[dict[str, object]]:
    """One row for each partition that is committed or assigned."""
    committed = await admin.list_group_offsets(group.group_id)
    readers = {place: each for each in group.members for place in each.partitions}
    led = await _led(admin, {*committed, *readers})
    ends = await admin.list_offsets(dict.fromkeys(led, LATEST))
    rows: list[dict[str, object]] = []
    for place in sorted({*committed, *readers}):
        reader, offset = readers.get(place), committed.get(place)
        end = ends[place].offset if place in ends else None
        rows.append(
            {
                "topic": place.topic,
                "partition": place.partition,
                "current_offset": None if offset is None else offset.offset,
                "log_end_offset": end,
                "lag": None if offset is None or end is None else max(0, end - offset.offset),
                "consumer_id": None if reader is None else reader.member_id,
                "host": None if reader is None else reader.client_host,
                "client_id": None if reader is None else reader.client_id,
            }
        )
    return rows


async def _led(admin: Admin, places: set[TopicPartition]) -> set[TopicPartition]:
    """Those whose end somebody can tell: not deleted since, and with a leader."""
    existing = {*await admin.list_topics(list_internal=True)}
    topics = await admin.describe_topics(existing & {topic for topic, _ in places})
    return {
        place
        for topic in topics.values()
        for each in topic.partitions
        if each.leader >= 0 and (place := TopicPartition(topic.name, each.partition)) in places
    }


async def _delete(admin: Admin, args: Namespace) -> int:
    deleted, failed = [], 0
    for name in await _names(admin, args):
        try:
            await admin.delete_group(name)
            deleted.append(name)
        except ClientError as error:
            failed += 1
            complain("groups delete", str(error))
    if args.json:
        print(json.dumps({"deleted": deleted}))
    elif deleted:
        print("\n".join(f"deleted {visible(name)}" for name in deleted))
    return 1 if failed else 0


async def _names(admin: Admin, args: Namespace) -> list[str]:
    if not args.all_groups:
        names: list[str] = args.group
        return names
    return [each.group_id for each in await admin.list_groups()]


def _document(group: GroupDescription, offsets: list[dict[str, object]]) -> dict[str, object]:
    return {
        "group": group.group_id,
        "state": group.state,
        "coordinator": group.coordinator,
        "protocol_type": group.protocol_type,
        "assignment_strategy": group.protocol,
        "members": [
            {
                "consumer_id": each.member_id,
                "group_instance_id": each.group_instance_id,
                "host": each.client_host,
                "client_id": each.client_id,
                "partitions": [[place.topic, place.partition] for place in sorted(each.partitions)],
            }
            for each in group.members
        ],
        "offsets": offsets,
    }
