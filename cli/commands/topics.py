"""EDGE: `minibroker topics create|list|describe|alter|delete`: topics of any Kafka broker.

Flags feel like kafka-topics; `--json` prints one JSON document for machines. Works through Admin.
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from ...client.admin import Admin, ConfigResource, ConfigSource, TopicDescription
from ...client.errors import ClientError
from ...client.partitions import TopicPartition
from ...protocol.errors import ErrorCode
from ..asking.admin import (
    changes_of,
    parse_config,
    parse_names,
    refusals_of,
    run_verb,
    values_of,
)
from ..asking.topic_extents import Extent, extents_of
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_count
from ..terminal.running import CommandFailed, WrongUsage, complain
from ..terminal.tables import table
from ..terminal.visible import visible

SUMMARY = "create, list, describe, alter or delete topics"
EXAMPLES = (
    "topics create orders --partitions 3 --config retention.ms=86400000",
    "topics describe orders",
    "topics create orders --if-not-exists",
    "topics list",
    "topics list --json",
    "topics describe --json",
    "topics alter orders --partitions 6",
    "topics alter orders --config retention.ms=1000 --delete-config segment.ms",
    "topics delete orders",
    "topics delete orders returns --json",
)
HEADS = ("PARTITION", "LEADER", "REPLICAS", "ISR", "START", "END", "BYTES")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = commands.add_parser("create", help="create a topic")
    create.add_argument("topic", help="its name")
    create.add_argument(
        "--partitions", type=parse_count, default=-1, help="how many (default: the broker's)"
    )
    create.add_argument(
        "--replication-factor", type=parse_count, default=-1, help="default: the broker's"
    )
    create.add_argument(
        "--config",
        metavar="NAME=VALUE",
        type=parse_config,
        action="append",
        default=[],
        help="a topic property; repeatable",
    )
    create.add_argument(
        "--if-not-exists", action="store_true", help="succeed if the topic is there already"
    )
    listing = commands.add_parser("list", help="list the topics")
    describe = commands.add_parser("describe", help="partitions and configuration")
    describe.add_argument("topic", nargs="*", help="which ones (default: all)")
    alter = commands.add_parser("alter", help="add partitions, set or delete properties")
    alter.add_argument("topic", help="which one")
    alter.add_argument("--partitions", type=parse_count, help="how many there shall be in all")
    alter.add_argument(
        "--config",
        metavar="NAME=VALUE",
        type=parse_config,
        action="append",
        default=[],
        help="a topic property to set; repeatable",
    )
    alter.add_argument(
        "--delete-config",
        metavar="NAME,...",
        type=parse_names,
        default=[],
        help="topic properties that take their default again",
    )
    delete = commands.add_parser("delete", help="delete topics with all their records")
    delete.add_argument("topic", nargs="+", help="which ones")
    for command in (create, listing, describe, alter, delete):
        add_bootstrap_server(command)
        command.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Run one verb."""
    verbs = {
        "create": _create,
        "list": _list,
        "describe": _describe,
        "alter": _alter,
        "delete": _delete,
    }
    return run_verb("topics", verbs[args.verb], args)


async def _create(admin: Admin, args: Namespace) -> int:
    exists = False
    with refusals_of(args.topic):
        try:
            await admin.create_topic(
                args.topic,
                num_partitions=args.partitions,
                replication_factor=args.replication_factor,
                configs=values_of(args.config),
            )
        except ClientError as error:
            exists = error.code is ErrorCode.TOPIC_ALREADY_EXISTS
            if not exists or not args.if_not_exists:
                raise
    if args.json:
        print(json.dumps({"topic": args.topic, "created": not exists}))
    else:
        print(f"{args.topic} is there already" if exists else f"created {args.topic}")
    return 0


async def _list(admin: Admin, args: Namespace) -> int:
    names = await admin.list_topics(list_internal=True)
    if args.json:
        print(json.dumps(names))
    elif names:
        print("\n".join(map(visible, names)))
    return 0


async def _describe(admin: Admin, args: Namespace) -> int:
    topics = await admin.describe_topics(args.topic or None)
    extents = await extents_of(admin, topics.values())
    names = dict.fromkeys(args.topic) or sorted(topics)
    described = [await _described(admin, topics[name], extents) for name in names]
    if args.json:
        print(json.dumps(described))
        return 0
    for told in described:
        overrides = ",".join(f"{name}={value}" for name, value in told["configs"].items())
        sizes = [part["size_bytes"] for part in told["partitions"]]
        print(
            f"{visible(told['name'])}  id={told['id']}  partitions={len(told['partitions'])}  "
            f"size={'-' if None in sizes else sum(sizes)}  configs={visible(overrides or 'none')}"
        )
        rows = [list(part.values()) for part in told["partitions"]]
        print(table(HEADS, rows))
    return 0


async def _alter(admin: Admin, args: Namespace) -> int:
    if args.partitions is None and not args.config and not args.delete_config:
        raise WrongUsage("nothing to change: give --partitions, --config or --delete-config")
    changes = changes_of(args.config, args.delete_config)
    with refusals_of(args.topic):
        if changes:
            await admin.alter_configs(ConfigResource.topic(args.topic), changes)
        if args.partitions is not None:
            await admin.create_partitions(args.topic, args.partitions)
    if args.json:
        document = {
            "topic": args.topic,
            "partitions": args.partitions,
            "set": dict(args.config),
            "deleted": args.delete_config,
        }
        print(json.dumps(document))
    else:
        print(f"altered {args.topic}")
    return 0


async def _delete(admin: Admin, args: Namespace) -> int:
    """Delete one after the other: whatever happens, it is told which of them are gone."""
    deleted: list[str] = []
    is_refused = False
    try:
        for name in dict.fromkeys(args.topic):
            try:
                with refusals_of(name):
                    await admin.delete_topics([name])
            except CommandFailed as error:
                is_refused = True
                complain("topics delete", str(error))
                continue
            deleted.append(name)
            if not args.json:
                print(f"deleted {visible(name)}", flush=True)
    finally:
        if args.json:
            print(json.dumps({"deleted": deleted}))
    return 1 if is_refused else 0


async def _described(
    admin: Admin, topic: TopicDescription, extents: Mapping[TopicPartition, Extent]
) -> dict[str, Any]:
    with refusals_of(topic.name):
        configs = await admin.describe_configs(ConfigResource.topic(topic.name))
    return {
        "name": topic.name,
        "id": topic.topic_id.hex(),
        "partitions": [
            {
                "index": each.partition,
                "leader": each.leader,
                "replicas": list(each.replicas),
                "isr": list(each.isr),
                **extents[TopicPartition(topic.name, each.partition)]._asdict(),
            }
            for each in topic.partitions
        ],
        "configs": {
            name: configs[name].value
            for name in sorted(configs)
            if configs[name].source is ConfigSource.DYNAMIC_TOPIC_CONFIG
        },
    }
