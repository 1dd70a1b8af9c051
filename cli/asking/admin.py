"""EDGE: what the administration commands share: an Admin for one verb, refusals, configurations.

Here: the broker's own words as what the user reads, the words of `--config` and `--add-config`.
Not here: what is printed (commands/topics.py, commands/configs.py, terminal/tables.py).
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

from ...client.admin import Admin
from ...client.errors import LACKING, ClientError
from ...protocol.errors import ErrorCode
from ..terminal.running import CommandFailed, WrongUsage, no_topic, running
from .reach import Reach

TIMEOUT_MS = 30_000
Verb = Callable[[Admin, Namespace], Awaitable[int]]


def run_verb(command: str, verb: Verb, args: Namespace) -> int:
    """Run one verb; returns its exit code, having said why it failed."""

    async def run() -> int:
        async with admin_of(args) as admin:
            return await verb(admin, args)

    return running(f"{command} {args.verb}", run)


def admin_of(args: Namespace) -> Admin:
    """An Admin of the cluster that the options name, for the time of one command."""
    reach = Reach(args)
    return Admin(reach.servers, timeout_ms=TIMEOUT_MS, **reach.security)


@contextmanager
def refusals_of(subject: str) -> Iterator[None]:
    """What a broker refuses becomes CommandFailed: the subject, the code, and the broker's words.

    What else goes wrong says in its own text what was asked for.
    """
    try:
        yield
    except ClientError as error:
        if error.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            raise CommandFailed(no_topic(subject)) from error
        if error.reason is None or error.code in LACKING:
            raise
        raise CommandFailed(f"{subject}: {error.code.name}: {error.reason}") from error


def parse_config(text: str) -> tuple[str, str]:
    """(name, value) of NAME=VALUE. Raises ArgumentTypeError."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name.strip(), value


def parse_configs(text: str) -> list[tuple[str, str]]:
    """Pairs of `a=b,c=[d,e]`; brackets keep commas within a value. Raises ArgumentTypeError."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    pairs = [parse_config(part) for part in parts if part.strip()]
    return [
        (name, value[1:-1] if value.startswith("[") and value.endswith("]") else value)
        for name, value in pairs
    ]


def parse_names(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def changes_of(
    additions: Iterable[tuple[str, str]], deletions: Iterable[str]
) -> dict[str, str | None]:
    """Values by name, None for what is deleted. Raises WrongUsage for a name given twice."""
    return {**values_of(additions, deletions), **dict.fromkeys(deletions)}


def values_of(additions: Iterable[tuple[str, str]], others: Iterable[str] = ()) -> dict[str, str]:
    """Values by name. Raises WrongUsage for a name given twice: nobody knows which is meant.

    Args:
        others: names that are given beside those.
    """
    pairs = [*additions]
    for name, count in Counter([*(name for name, _ in pairs), *others]).items():
        if count > 1:
            raise WrongUsage(f"{name} is given twice")
    return dict(pairs)
