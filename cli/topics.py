"""EDGE: `minibroker topics create|list|describe|delete`: topics of any Kafka broker.

Flags feel like kafka-topics; `--json` prints one JSON document for machines. Works through the
admin APIs (CreateTopics, Metadata, DescribeConfigs, DeleteTopics) over one connection.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from ..client.network import Connection, ConnectionFailed, RequestTimedOut, UnsupportedApi
from ..protocol.errors import ErrorCode
from ..protocol.errors import error_code as error_of
from ..protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from ..protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ..protocol.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from ..protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponseTopic,
)
from ..protocol.schema import ZERO_UUID
from .addresses import add_bootstrap_server

SUMMARY = "create, list, describe or delete topics"
TOPIC_RESOURCE = 2
DELETE_BY_STATE_SINCE = 6


class CommandFailed(Exception):
    """The broker refused; the text is for the user."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = commands.add_parser("create", help="create a topic")
    create.add_argument("topic", help="its name")
    create.add_argument(
        "--partitions", type=int, default=-1, help="how many (default: the broker's)"
    )
    create.add_argument("--replication-factor", type=int, default=-1, help="default: the broker's")
    create.add_argument(
        "--config",
        metavar="NAME=VALUE",
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
    delete = commands.add_parser("delete", help="delete topics with all their records")
    delete.add_argument("topic", nargs="+", help="which ones")
    for each in (create, listing, describe, delete):
        add_bootstrap_server(each)
        each.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Run one verb."""
    try:
        return asyncio.run(_run(args))
    except (CommandFailed, ConnectionFailed, RequestTimedOut, UnsupportedApi) as error:
        print(f"minibroker topics {args.verb}: {error}", file=sys.stderr)
        return 1


async def _run(args: Namespace) -> int:
    verbs = {"create": _create, "list": _list, "describe": _describe, "delete": _delete}
    connection = await Connection.open(*args.bootstrap_server)
    try:
        await verbs[args.verb](connection, args)
    finally:
        await connection.close()
    return 0


async def _create(connection: Connection, args: Namespace) -> None:
    configs = []
    for pair in args.config:
        name, separator, value = pair.partition("=")
        if not separator:
            raise CommandFailed(f"--config {pair}: expected NAME=VALUE")
        configs.append(CreatableTopicConfig(name=name, value=value))
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
        _check(result.error_code, result.error_message, args.topic)
    if args.json:
        print(json.dumps({"topic": args.topic, "created": not exists}))
    else:
        print(f"{args.topic} exists already" if exists else f"created {args.topic}")


async def _list(connection: Connection, args: Namespace) -> None:
    names = sorted(topic.name or "" for topic in await _topics(connection, None))
    if args.json:
        print(json.dumps(names))
    elif names:
        print("\n".join(names))


async def _describe(connection: Connection, args: Namespace) -> None:
    topics = await _topics(connection, args.topic or None)
    for topic in topics:
        _check(topic.error_code, None, topic.name or "")
    described = [await _described(connection, topic) for topic in topics]
    if args.json:
        print(json.dumps(described))
        return
    for each in described:
        overrides = ",".join(f"{name}={value}" for name, value in each["configs"].items())
        print(
            f"{each['name']}  id={each['id']}  partitions={len(each['partitions'])}  "
            f"configs={overrides or 'none'}"
        )
        for part in each["partitions"]:
            print(
                f"  partition {part['index']}  leader={part['leader']}  "
                f"replicas={part['replicas']}  isr={part['isr']}"
            )


async def _delete(connection: Connection, args: Namespace) -> None:
    request = DeleteTopicsRequest(
        topics=[DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in args.topic],
        topic_names=args.topic,
        timeout_ms=30_000,
    )
    response = await connection.request(request)
    for result in response.responses:
        _check(result.error_code, result.error_message, result.name or "")
    if args.json:
        print(json.dumps({"deleted": args.topic}))
    else:
        print("\n".join(f"deleted {name}" for name in args.topic))


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


async def _described(connection: Connection, topic: MetadataResponseTopic) -> dict[str, Any]:
    resource = DescribeConfigsResource(
        resource_type=TOPIC_RESOURCE, resource_name=topic.name or "", configuration_keys=None
    )
    response = await connection.request(DescribeConfigsRequest(resources=[resource]))
    result = response.results[0]
    _check(result.error_code, result.error_message, topic.name or "")
    return {
        "name": topic.name,
        "id": topic.topic_id.hex(),
        "partitions": [
            {
                "index": each.partition_index,
                "leader": each.leader_id,
                "replicas": each.replica_nodes,
                "isr": each.isr_nodes,
            }
            for each in sorted(topic.partitions, key=lambda each: each.partition_index)
        ],
        "configs": {each.name: each.value for each in result.configs if each.config_source == 1},
    }


def _check(number: int, message: str | None, topic: str) -> None:
    if number:
        code = error_of(number)
        raise CommandFailed(f"{topic}: {code.name}: {message or code.text}")
