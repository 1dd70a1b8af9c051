"""EDGE: `minibroker users add|list|remove`: who may log in by SCRAM, at any Kafka.

A password is asked for at the terminal, or is the first line of standard input; on the command line
everybody could see it. With --log-dirs: the users of a directory that no broker uses.
Tests: tests/system/commands/test_users_command.py
"""

from __future__ import annotations

import json
import secrets
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ...client.admin import Admin
from ...client.administer.results import ScramMechanism
from ..asking.admin import refusals_of, run_verb
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_count
from ..terminal.running import CommandFailed, WrongUsage, running
from ..terminal.tables import table
from ..terminal.visible import visible

if TYPE_CHECKING:
    from ..data_directory.users import DirectoryUsers

SUMMARY = "add, list or remove users that log in by SCRAM"
EXAMPLES = (
    "users add carol < password.txt",
    "users add dave --generate --mechanism SCRAM-SHA-512",
    "users list",
    "users list carol --json",
    "users add carol --log-dirs /var/lib/minibroker < password.txt",
    "users remove carol",
    "users remove carol --mechanism SCRAM-SHA-256",
)
MECHANISMS: tuple[ScramMechanism, ...] = ("SCRAM-SHA-256", "SCRAM-SHA-512")
ITERATIONS = 4_096  # Kafka's default and least
GENERATED_BYTES = 24
HEADS = ("USER", "MECHANISM", "ITERATIONS")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = commands.add_parser("add", help="give a user a password, or another one")
    add.add_argument("user", help="the name")
    add.add_argument(
        "--iterations",
        type=parse_count,
        default=ITERATIONS,
        help="what guessing costs, and each login (default %(default)s)",
    )
    add.add_argument(
        "--generate", action="store_true", help="draw the password, and print it this once"
    )
    listing = commands.add_parser("list", help="the users and their mechanisms")
    listing.add_argument("user", nargs="*", help="which ones (default: all)")
    remove = commands.add_parser("remove", help="take a user's passwords away")
    remove.add_argument("user", help="the name")
    for command in (add, remove):
        command.add_argument(
            "--mechanism",
            choices=MECHANISMS,
            action="append",
            help="only this one; repeatable (default: all)",
        )
    for command in (add, listing, remove):
        add_bootstrap_server(command)
        command.add_argument(
            "--log-dirs",
            metavar="DIR",
            help="a directory that no broker uses, in place of a running one",
        )
        command.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Run one verb, at a running broker or in a directory."""
    verb = {"add": _add, "list": _list, "remove": _remove}[args.verb]
    if args.log_dirs is None:
        return run_verb("users", verb, args)

    async def run_there() -> int:
        from ..data_directory.users import directory_users

        with directory_users(args.log_dirs) as users:
            return await verb(users, args)

    return running(f"users {args.verb}", run_there)


async def _add(admin: Admin | DirectoryUsers, args: Namespace) -> int:
    password = _Password(secrets.token_urlsafe(GENERATED_BYTES)) if args.generate else _asked()
    mechanisms = dict.fromkeys(args.mechanism or MECHANISMS)
    for mechanism in mechanisms:
        with refusals_of(args.user):
            await admin.upsert_user_scram_credential(
                args.user, mechanism, password.text, iterations=args.iterations
            )
    if args.json:
        told = {"user": args.user, "mechanisms": [*mechanisms]}
        print(json.dumps(told | ({"password": password.text} if args.generate else {})))
        return 0
    print(f"{visible(args.user)} may log in by {', '.join(mechanisms)}")
    if args.generate:
        print(f"password: {password.text}")
    return 0


async def _list(admin: Admin | DirectoryUsers, args: Namespace) -> int:
    with refusals_of("users"):
        users = await admin.describe_user_scram_credentials(args.user or None)
    if args.json:
        document = {
            name: {each.mechanism: each.iterations for each in held} for name, held in users.items()
        }
        print(json.dumps(document))
        return 0
    rows = [
        (name, each.mechanism, each.iterations) for name, held in users.items() for each in held
    ]
    if rows:
        print(table(HEADS, rows))
    return 0


async def _remove(admin: Admin | DirectoryUsers, args: Namespace) -> int:
    mechanisms = args.mechanism
    if not mechanisms:
        with refusals_of(args.user):
            found = await admin.describe_user_scram_credentials([args.user])
        mechanisms = [each.mechanism for each in found[args.user]]
    for mechanism in dict.fromkeys(mechanisms):
        with refusals_of(args.user):
            await admin.delete_user_scram_credential(args.user, mechanism)
    if args.json:
        print(json.dumps({"user": args.user, "removed": [*mechanisms]}))
    else:
        print(f"removed {visible(args.user)}: {', '.join(mechanisms)}")
    return 0


class _Password:
    """A password; its repr shows none of it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _asked() -> _Password:
    """At the terminal twice, without echo; else the first line of standard input."""
    if not sys.stdin.isatty():
        text = sys.stdin.readline().rstrip("\r\n")
        if not text:
            raise WrongUsage("standard input has no password in its first line; or take --generate")
        return _Password(text)
    from getpass import getpass

    text = getpass("password: ")
    if not text:
        raise WrongUsage("that is no password")
    if getpass("once more: ") != text:
        raise CommandFailed("the two differ; nothing was changed")
    return _Password(text)
