"""EDGE: `minibroker configs describe|alter`: properties and quotas, of any Kafka broker.

Flags feel like kafka-configs; `--json` prints one JSON document for machines. Works through Admin.
Here are the properties of topics and brokers; quotas of users, clients and addresses are in
asking/quotas.py.
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from ...client.admin import Admin, ConfigEntry, ConfigResource, ConfigSource
from ..asking.admin import changes_of, parse_configs, parse_names, refusals_of, run_verb
from ..asking.entities import Entity, add_entity, entity_of
from ..asking.quotas import alter_quotas, describe_quotas
from ..terminal.addresses import add_bootstrap_server
from ..terminal.running import CommandFailed, WrongUsage
from ..terminal.tables import table
from ..terminal.visible import visible

SUMMARY = "show or change properties of topics and brokers, quotas of clients"
EXAMPLES = (
    "configs describe --entity-type topics --entity-name orders --all",
    "configs alter --entity-type topics --entity-name t --add-config segment.ms=1000",
    "configs describe --entity-type brokers --json",
    "configs alter --entity-type brokers --entity-name 1 --delete-config log.segment.bytes",
    "configs describe --entity-type users",
    "configs alter --entity-type users --entity-default --add-config producer_byte_rate=9",
)
STATIC = {ConfigSource.STATIC_BROKER_CONFIG, ConfigSource.DEFAULT_CONFIG}
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
        add_entity(command)
        add_bootstrap_server(command)
        command.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Run one verb."""
    return run_verb("configs", {"describe": _describe, "alter": _alter}[args.verb], args)


async def _describe(admin: Admin, args: Namespace) -> int:
    entity = entity_of(args)
    if entity.has_quotas:
        return await describe_quotas(admin, args, entity)
    described: list[tuple[str, list[ConfigEntry]]] = []
    for name in await _names(admin, entity):
        resource = await _resource(admin, entity.kind, name)
        with refusals_of(name):
            found = await admin.describe_configs(
                resource, include_synonyms=True, include_documentation=True
            )
        shown = [found[each] for each in sorted(found)]
        described.append((name, [each for each in shown if args.all or each.source not in STATIC]))
    if args.json:
        print(
            json.dumps(
                [
                    {
                        "entity_type": entity.kind,
                        "entity_name": name,
                        "configs": [_document(each) for each in configs],
                    }
                    for name, configs in described
                ]
            )
        )
        return 0
    for name, configs in described:
        print(_title(entity.kind, name) + (":" if configs else ": nothing is set"))
        if configs:
            rows = [(each.name, _value(each), each.source.name) for each in configs]
            print(table(("NAME", "VALUE", "SOURCE"), rows))
    return 0


async def _alter(admin: Admin, args: Namespace) -> int:
    if not args.add_config and not args.delete_config:
        raise WrongUsage("nothing to change: give --add-config or --delete-config")
    entity, changes = entity_of(args), changes_of(args.add_config, args.delete_config)
    if entity.has_quotas:
        return await alter_quotas(admin, args, entity, changes)
    if not entity.names:
        raise WrongUsage("say which: --entity-name, or --entity-default for every broker")
    name = _chosen(entity)
    with refusals_of(name or "all brokers"):
        await admin.alter_configs(await _resource(admin, entity.kind, name), changes)
    if args.json:
        document = {
            "entity_type": entity.kind,
            "entity_name": name,
            "set": dict(args.add_config),
            "deleted": args.delete_config,
        }
        print(json.dumps(document))
    else:
        print(f"changed {_title(entity.kind, name)}")
    return 0


async def _names(admin: Admin, entity: Entity) -> list[str]:
    """The resources to describe: the one named, or all of the kind."""
    if entity.names:
        return [_chosen(entity)]
    if entity.kind == "brokers":
        return [str(each.node_id) for each in (await admin.describe_cluster()).brokers]
    return await admin.list_topics(list_internal=True)


async def _resource(admin: Admin, kind: str, name: str) -> ConfigResource:
    """What is meant. Raises CommandFailed at once for a broker there is not: it may yet come."""
    if kind == "topics":
        return ConfigResource.topic(name)
    if not name:
        return ConfigResource.broker(None)
    known = [str(each.node_id) for each in (await admin.describe_cluster()).brokers]
    if name not in known:
        raise CommandFailed(f"there is no broker {name}; the cluster has {', '.join(known)}")
    return ConfigResource.broker(int(name))


def _chosen(entity: Entity) -> str:
    (name,) = entity.names
    return name if isinstance(name, str) else EVERY_BROKER


def _title(kind: str, name: str) -> str:
    return f"{kind.removesuffix('s')} {visible(name)}" if name else f"all {kind}"


def _value(each: ConfigEntry) -> str | None:
    return HIDDEN if each.is_sensitive else each.value


def _document(entry: ConfigEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "value": entry.value,
        "source": entry.source.name,
        "read_only": entry.is_read_only,
        "sensitive": entry.is_sensitive,
        "synonyms": [
            {"name": one.name, "value": one.value, "source": one.source.name}
            for one in entry.synonyms
        ],
        "documentation": entry.documentation,
    }
