"""EDGE: `minibroker console`: pages in a browser about any Kafka, until interrupted.

The pages are console/; they need the packages of minibroker[console], which nothing else does.
Where the cluster has logins and no user is configured, everybody who comes logs in as one of its
users; else all are who the configuration says, and nobody beyond this machine is let in.
Tests: tests/system/console/test_command.py
"""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..asking.reach import Reach
from ..terminal.addresses import add_bootstrap_server, parse_place
from ..terminal.running import CommandFailed, WrongUsage, running

if TYPE_CHECKING:
    from ...console.settings import Settings

SUMMARY = "pages in a browser about any Kafka, and more about a minibroker"
EXAMPLES = (
    "console --bootstrap-server 127.0.0.1:9092",
    "console --listen 127.0.0.1:8080 --allow changes",
)
HOST, PORT = "127.0.0.1", 8080
STDIN = 0
NICE = 10
EVERYWHERE = "0.0.0.0"
NEEDS = ("jinja2", "starlette", "uvicorn")
RIGHTS = ("changes", "faults")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_bootstrap_server(parser)
    parser.add_argument(
        "--listen",
        type=parse_place,
        default=(HOST, PORT),
        metavar="HOST:PORT",
        help=f"where to serve the pages; port 0 takes any (default {HOST}:{PORT})",
    )
    parser.add_argument(
        "--allow",
        choices=RIGHTS,
        action="append",
        default=[],
        help="besides reading. changes: produce, reset offsets, abort transactions; faults: arm "
        "and release faults of a broker that has them; repeatable (default: neither)",
    )
    parser.add_argument(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which browsers may ask for it, besides localhost and addresses; "
        "repeatable",
    )
    parser.add_argument("--until-input-ends", action="store_true", help=SUPPRESS)  # as a child


def missing_packages() -> str:
    """What to install; "" where nothing is missing."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"the console needs {', '.join(missing)}, not installed here: "
        "pip install 'minibroker[console]'"
    )


def run(args: Namespace) -> int:
    """Serve the pages."""
    return running("console", lambda: _console(args))


async def _console(args: Namespace) -> int:
    if text := missing_packages():
        raise CommandFailed(text)
    from ...console.running import ListenFailed, listen, serve

    settings = _settings(args)
    host, port = settings.host, args.listen[1]
    try:
        listening = listen(host, port)
    except ListenFailed as error:
        raise CommandFailed(str(error)) from None
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}"
    may = "reading" if not args.allow else f"reading, {', '.join(sorted({*args.allow}))}"
    logins = ", everybody logs in" if settings.logs_in else ""

    def ready() -> None:
        print(f"minibroker console ready: {url} ({may}{logins})", flush=True)

    serving = asyncio.ensure_future(serve(settings, listening, ready))
    if args.until_input_ends:
        os.nice(NICE)  # beside a broker: where both want the processor, answers come before pages
        _when_input_ends(serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        if not args.until_input_ends:
            raise
    return 0


def _settings(args: Namespace) -> Settings:
    from ...console.settings import Right, Settings

    reach = Reach(args, needs_user=False)
    host = args.listen[0] or EVERYWHERE
    asks = reach.security.get("security_protocol", "PLAINTEXT").startswith("SASL_")
    names = ("sasl_plain_username", "sasl_oauth_token_provider")
    has_user = any(name in reach.security for name in names)
    settings = Settings(
        servers=reach.servers,
        arguments=reach.security,
        logs_in=asks and not has_user,
        rights=frozenset(map(Right, args.allow)),
        host=host,
        names=frozenset(each.lower() for each in (*args.host_name, host)),
    )
    if not settings.is_loopback and not settings.logs_in:
        why = (
            "the configuration names a user, and everybody would be that one: leave the user out"
            if asks
            else "the cluster has no logins: give --command-config with security.protocol=SASL_SSL"
        )
        raise WrongUsage(f"--listen {host}: beyond this machine everybody must log in; {why}")
    if settings.logs_in and not settings.is_loopback:
        print(
            "minibroker console: it speaks HTTP, and passwords pass in the clear: put a proxy with "
            "TLS in front of it",
            file=sys.stderr,
        )
    return settings


def _when_input_ends(then: Callable[[], object]) -> None:
    """Call `then` once standard input ends: whoever holds its other end has gone, however."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(STDIN, 4096):
            loop.remove_reader(STDIN)
            then()

    loop.add_reader(STDIN, look)
