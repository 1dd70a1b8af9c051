"""EDGE: `minibroker acls add|list|remove`: rules of access, at any Kafka.

Flags feel like kafka-acls; `--json` prints one JSON document for machines. Here: what may be said,
and how rules are shown; which rules the words mean is in asking/acl_words.py. Works through Admin.
Tests: tests/system/rights/test_acls_command.py
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from ...client.admin import AclBinding, Admin
from ...protocol.acls import PatternType
from ..asking.acl_words import (
    PATTERNS,
    PATTERNS_TO_FIND,
    RESOURCES,
    filters_of,
    parse_operation,
    parse_principal,
    rules_of,
)
from ..asking.admin import refusals_of, run_verb
from ..terminal.addresses import add_bootstrap_server
from ..terminal.tables import table

SUMMARY = "add, list or remove rules of access: who may do what"
EXAMPLES = (
    "acls add --allow-principal User:shop --producer --topic orders",
    "acls add --allow-principal User:audit --consumer --topic orders --group audit",
    "acls add --deny-principal 'User:*' --operation Delete --topic orders",
    "acls list --topic orders",
    "acls list --principal User:shop --json",
    "acls remove --topic orders --principal User:shop",
    "acls remove --group audit --operation Read",
)
HEADS = ("RESOURCE", "NAME", "PATTERN", "PRINCIPAL", "HOST", "PERMISSION", "OPERATION")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = commands.add_parser("add", help="allow or deny somebody something")
    _add_who(add)
    listing = commands.add_parser("list", help="the rules there are")
    remove = commands.add_parser("remove", help="take rules away")
    for command in (listing, remove):
        command.add_argument(
            "--principal",
            type=parse_principal,
            action="append",
            default=[],
            metavar="User:NAME",
            help="only rules of these; repeatable",
        )
    for command in (add, listing, remove):
        _add_what(command, PATTERNS if command is add else PATTERNS_TO_FIND)
        command.set_defaults(resource_pattern_type="match" if command is listing else "literal")
        add_bootstrap_server(command)
        command.add_argument("--json", action="store_true", help="print JSON")


def _add_who(parser: ArgumentParser) -> None:
    for permission in ("allow", "deny"):
        parser.add_argument(
            f"--{permission}-principal",
            type=parse_principal,
            action="append",
            default=[],
            metavar="User:NAME",
            help=f"whom to {permission} it; User:* is everybody; repeatable",
        )
        parser.add_argument(
            f"--{permission}-host",
            action="append",
            default=[],
            metavar="ADDRESS",
            help="only from there (default: from anywhere); repeatable",
        )
    parser.add_argument(
        "--producer", action="store_true", help="all that a producer needs on these --topic"
    )
    parser.add_argument(
        "--consumer", action="store_true", help="all a consumer needs on these --topic and --group"
    )


def _add_what(parser: ArgumentParser, kinds: Mapping[str, PatternType]) -> None:
    parser.add_argument(
        "--operation",
        type=parse_operation,
        action="append",
        default=[],
        metavar="OP",
        help="Read, Write, Create, Describe, All, ...; repeatable",
    )
    for option in RESOURCES:
        parser.add_argument(
            f"--{option}", action="append", default=[], metavar="NAME", help="repeatable"
        )
    parser.add_argument("--cluster", action="store_true", help="the cluster itself")
    parser.add_argument(
        "--resource-pattern-type",
        choices=kinds,
        metavar="TYPE",
        help=f"how names are meant: {', '.join(kinds)} (default %(default)s)",
    )


def run(args: Namespace) -> int:
    """Run one verb."""
    return run_verb("acls", {"add": _add, "list": _list, "remove": _remove}[args.verb], args)


async def _add(admin: Admin, args: Namespace) -> int:
    rules = rules_of(args)
    with refusals_of("acls"):
        await admin.create_acls(rules)
    _show(rules, args)
    return 0


async def _list(admin: Admin, args: Namespace) -> int:
    found: dict[AclBinding, None] = {}
    with refusals_of("acls"):
        for wanted in filters_of(args):
            found |= dict.fromkeys(await admin.describe_acls(wanted))
    _show([*found], args)
    return 0


async def _remove(admin: Admin, args: Namespace) -> int:
    with refusals_of("acls"):
        removed = await admin.delete_acls(filters_of(args))
    _show(removed, args)
    return 0


def _show(acls: list[AclBinding], args: Namespace) -> None:
    if args.json:
        print(json.dumps([_document(each) for each in acls]))
    elif acls:
        print(table(HEADS, [[*_document(each).values()] for each in acls]))


def _document(acl: AclBinding) -> dict[str, str]:
    """In Kafka's words, and in the order of the columns."""
    return {
        "resource_type": acl.resource_type.name,
        "resource_name": acl.resource_name,
        "pattern_type": acl.pattern_type.name,
        "principal": acl.principal,
        "host": acl.host,
        "permission": acl.permission.name,
        "operation": acl.operation.name,
    }
