"""EDGE: `minibroker topics create|list|describe|alter|delete`: topics of any Kafka broker.

Flags feel like kafka-topics; `--json` prints one JSON document for machines. Works through the
admin APIs (CreateTopics, Metadata, CreatePartitions, DeleteTopics, and asking/admin.py's) over one
connection.
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from ...client.cluster.connection import Connection
from ...client.partitions import TopicPartition
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.configs import ConfigSource, ResourceType
from ...protocol.errors import ErrorCode
from ...protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from ...protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from ...protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ...protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponseTopic,
)
from ..asking.admin import (
    change_configs,
    check,
    parse_config,
    parse_names,
    read_configs,
    run_verb,
)
from ..asking.topic_extents import Extent, extents_of
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_count
from ..terminal.running import WrongUsage
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
TIMEOUT_MS = 30_000
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


async def _create(connection: Connection, args: Namespace) -> None:
    configs = [CreatableTopicConfig(name=name, value=value) for name, value in args.config]
    topic = CreatableTopic(
        name=args.topic,
        num_partitions=args.partitions,
        replication_factor=args.replication_factor,
        assignments=[],
        configs=configs,
    )
    response = await connection.request(CreateTopicsRequest(topics=[topic]))
    result = response.topics[0]
    exists = result.error_code == ErrorCode.TOPIC_ALREADY_EXISTS and args.if_not_exists
    if not exists:
        check(result.error_code, result.error_message, args.topic)
    if args.json:
        print(json.dumps({"topic": args.topic, "created": not exists}))
    else:
        print(f"{args.topic} is there already" if exists else f"created {args.topic}")


async def _list(connection: Connection, args: Namespace) -> None:
    names = sorted(topic.name or "" for topic in await _topics(connection, None))
    if args.json:
        print(json.dumps(names))
    elif names:
        print("\n".join(map(visible, names)))


async def _describe(connection: Connection, args: Namespace) -> None:
    topics = await _topics(connection, args.topic or None)
    for topic in topics:
        check(topic.error_code, None, topic.name or "")
    extents = await extents_of(connection, args.bootstrap_server, topics)
    described = [await _described(connection, topic, extents) for topic in topics]
    if args.json:
        print(json.dumps(described))
        return
    for told in described:
        overrides = ",".join(f"{name}={value}" for name, value in told["configs"].items())
        sizes = [part["size_bytes"] for part in told["partitions"]]
        print(
            f"{visible(told['name'])}  id={told['id']}  partitions={len(told['partitions'])}  "
            f"size={'-' if None in sizes else sum(sizes)}  configs={visible(overrides or 'none')}"
        )
        rows = [list(part.values()) for part in told["partitions"]]
        print(table(HEADS, rows))


async def _alter(connection: Connection, args: Namespace) -> None:
    if args.partitions is None and not args.config and not args.delete_config:
        raise WrongUsage("nothing to change: give --partitions, --config or --delete-config")
    if args.config or args.delete_config:
        await change_configs(
            connection, ResourceType.TOPIC, args.topic, args.config, args.delete_config
        )
    if args.partitions is not None:
        grown = CreatePartitionsTopic(name=args.topic, count=args.partitions)
        request = CreatePartitionsRequest(topics=[grown], timeout_ms=TIMEOUT_MS)
        (result,) = (await connection.request(request)).results
        check(result.error_code, result.error_message, args.topic)
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


async def _delete(connection: Connection, args: Namespace) -> None:
    request = DeleteTopicsRequest(
        topics=[DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in args.topic],
        topic_names=args.topic,
        timeout_ms=TIMEOUT_MS,
    )
    response = await connection.request(request)
    deleted = [each.name or "" for each in response.responses if not each.error_code]
    if args.json:
        print(json.dumps({"deleted": deleted}))
    elif deleted:
        print("\n".join(f"deleted {visible(name)}" for name in deleted), flush=True)
    for result in response.responses:
        check(result.error_code, result.error_message, result.name or "")


async def _topics(
    connection: Connection, names: Sequence[str] | None
) -> list[MetadataResponseTopic]:
    asked = None
    if names is not None:
        asked = [MetadataRequestTopic(topic_id=ZERO_UUID, name=name) for name in names]
    request = MetadataRequest(topics=asked, allow_auto_topic_creation=False)
    response = await connection.request(request)
    found: list[MetadataResponseTopic] = response.topics
    return found


async def _described(
    connection: Connection, topic: MetadataResponseTopic, extents: Mapping[TopicPartition, Extent]
) -> dict[str, Any]:
    configs = await read_configs(connection, ResourceType.TOPIC, topic.name or "")
    return {
        "name": topic.name,
        "id": topic.topic_id.hex(),
        "partitions": [
            {
                "index": each.partition_index,
                "leader": each.leader_id,
                "replicas": each.replica_nodes,
                "isr": each.isr_nodes,
                **extents[TopicPartition(topic.name or "", each.partition_index)]._asdict(),
            }
            for each in sorted(topic.partitions, key=lambda each: each.partition_index)
        ],
        "configs": {
            each.name: each.value
            for each in configs
            if each.config_source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        },
    }
