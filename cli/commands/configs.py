"""EDGE: `minibroker configs describe|alter`: topics' and brokers' properties, of any Kafka broker.

Flags feel like kafka-configs; `--json` prints one JSON document for machines. Works through
DescribeConfigs and IncrementalAlterConfigs.
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from ...client.cluster.connection import Connection
from ...protocol.configs import ConfigSource, ResourceType
from ...protocol.messages.describe_configs import DescribeConfigsResourceResult
from ...protocol.messages.metadata import MetadataRequest
from ..asking.admin import (
    brokers_of,
    change_configs,
    parse_configs,
    parse_names,
    read_configs,
    run_verb,
)
from ..terminal.addresses import add_bootstrap_server
from ..terminal.running import WrongUsage
from ..terminal.tables import table
from ..terminal.visible import visible

SUMMARY = "show or change the properties of topics and brokers"
EXAMPLES = (
    "configs describe --entity-type topics --entity-name orders --all",
    "configs alter --entity-type topics --entity-name t --add-config segment.ms=1000",
    "configs describe --entity-type brokers --json",
    "configs alter --entity-type brokers --entity-name 1 --delete-config log.segment.bytes",
)
KINDS = {"topics": ResourceType.TOPIC, "brokers": ResourceType.BROKER}
SOURCES: dict[int, str] = {source.value: source.name for source in ConfigSource}
STATIC = {ConfigSource.STATIC_BROKER_CONFIG.value, ConfigSource.DEFAULT_CONFIG.value}
EVERY_BROKER = ""
HIDDEN = "(hidden)"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    describe = commands.add_parser("describe", help="what is set, or with --all what is in force")
    describe.add_argument("--all", action="store_true", help="defaults and static values as well")
    alter = commands.add_parser("alter", help="set or delete properties, all or none")
    alter.add_argument(
        "--add-config",
        metavar="NAME=VALUE,...",
        type=parse_configs,
        default=[],
        help="properties to set; a value with commas stands in brackets: a=1,b=[c,d]",
    )
    alter.add_argument(
        "--delete-config",
        metavar="NAME,...",
        type=parse_names,
        default=[],
        help="properties that take their default again",
    )
    for command in (describe, alter):
        command.add_argument("--entity-type", choices=[*KINDS], required=True)
        which = command.add_mutually_exclusive_group(required=command is alter)
        which.add_argument("--entity-name", metavar="NAME", help="a topic, or a broker's id")
        which.add_argument(
            "--entity-default", action="store_true", help="what holds for every broker"
        )
        add_bootstrap_server(command)
        command.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Run one verb."""
    return run_verb("configs", {"describe": _describe, "alter": _alter}[args.verb], args)


async def _describe(connection: Connection, args: Namespace) -> None:
    kind = KINDS[args.entity_type]
    described = [
        (name, [each for each in configs if args.all or each.config_source not in STATIC])
        for name in await _names(connection, args)
        for configs in [await read_configs(connection, kind, name)]
    ]
    if args.json:
        print(
            json.dumps(
                [
                    {
                        "entity_type": args.entity_type,
                        "entity_name": name,
                        "configs": [_document(each) for each in configs],
                    }
                    for name, configs in described
                ]
            )
        )
        return
    for name, configs in described:
        print(_title(args.entity_type, name) + (":" if configs else ": nothing is set"))
        if configs:
            rows = [(each.name, _value(each), _source(each)) for each in configs]
            print(table(("NAME", "VALUE", "SOURCE"), rows))


async def _alter(connection: Connection, args: Namespace) -> None:
    if not args.add_config and not args.delete_config:
        raise WrongUsage("nothing to change: give --add-config or --delete-config")
    kind, name = KINDS[args.entity_type], _chosen(args)
    await change_configs(connection, kind, name, args.add_config, args.delete_config)
    if args.json:
        document = {
            "entity_type": args.entity_type,
            "entity_name": name,
            "set": dict(args.add_config),
            "deleted": args.delete_config,
        }
        print(json.dumps(document))
    else:
        print(f"changed {_title(args.entity_type, name)}")


async def _names(connection: Connection, args: Namespace) -> list[str]:
    """The resources to describe: the one named, or all of the kind."""
    if args.entity_name is not None or args.entity_default:
        return [_chosen(args)]
    if args.entity_type == "brokers":
        return [str(node_id) for node_id in sorted(await brokers_of(connection))]
    response = await connection.request(MetadataRequest(topics=None))
    return sorted(topic.name or "" for topic in response.topics)


def _chosen(args: Namespace) -> str:
    if args.entity_default:
        if args.entity_type != "brokers":
            raise WrongUsage("topics have no default of their own; --entity-type brokers has")
        return EVERY_BROKER
    name: str = args.entity_name
    return name


def _title(kind: str, name: str) -> str:
    return f"{kind.removesuffix('s')} {visible(name)}" if name else f"all {kind}"


def _value(each: DescribeConfigsResourceResult) -> str | None:
    return HIDDEN if each.is_sensitive else each.value


def _source(each: DescribeConfigsResourceResult) -> str:
    return SOURCES.get(each.config_source, str(each.config_source))


def _document(entry: DescribeConfigsResourceResult) -> dict[str, Any]:
    return {
        "name": entry.name,
        "value": entry.value,
        "source": _source(entry),
        "read_only": entry.read_only,
        "sensitive": entry.is_sensitive,
        "synonyms": [
            {"name": one.name, "value": one.value, "source": SOURCES.get(one.source, one.source)}
            for one in entry.synonyms
        ],
        "documentation": entry.documentation,
    }
