"""EDGE: `minibroker proxy`: faults and a view of what passed, in front of any Kafka.

For a cluster behind a single address. Rules come from a file (testing/fault_file.py) and are those
a proxy can perform: lose_reply, tear_reply, delay, disconnect, at `request` and `reply`. Each
exchange is a line on standard output, as soon as its outcome is known; with --json an object.
Tests: tests/system/commands/test_proxy_command.py
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ...broker.faults.forms import rule_text
from ...testing.fault_file import read_fault_file
from ...testing.proxy import Proxy
from ...testing.proxying.rules import RelayedRequest, performable
from ..terminal.addresses import parse_address
from ..terminal.visible import visible

if TYPE_CHECKING:
    from ssl import SSLContext

SUMMARY = "lose and delay answers in front of any Kafka, and show what passed"
EXAMPLES = (
    "proxy --upstream kafka:9092 --faults lose-acks.yaml",
    "proxy --listen 127.0.0.1:0 --json > exchanges.json",
    "proxy --upstream kafka:9093 --command-config client.properties --listen-ssl proxy.pem",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_parse_listen,
        default=("127.0.0.1", 9192),
        help="where clients connect; port 0 takes any (default 127.0.0.1:9192)",
    )
    parser.add_argument(
        "--upstream",
        metavar="HOST:PORT",
        type=parse_address,
        default=("127.0.0.1", 9092),
        help="the Kafka behind it (default 127.0.0.1:9092)",
    )
    parser.add_argument("--faults", metavar="FILE", help="a YAML file of fault rules")
    parser.add_argument(
        "--listen-ssl",
        metavar="FILE",
        help="speak TLS with clients: PEM of a private key and its certificates, for the name "
        "they connect to",
    )
    parser.add_argument(
        "--command-config",
        metavar="FILE",
        help="how the Kafka behind is reached: its security.protocol decides on TLS, ssl.* on "
        "trust; logins are the clients' own and pass through",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object an exchange")


def run(args: Namespace) -> int:
    """Stand between until told to stop."""
    try:
        rules = read_fault_file(args.faults) if args.faults is not None else []
        for rule in rules:
            performable(rule)
        contexts = _contexts(args)
    except (ValueError, OSError) as error:
        print(f"minibroker proxy: {error}", file=sys.stderr)
        return 2
    host, port = args.listen
    upstream_host, upstream_port = args.upstream
    proxy = Proxy(
        f"{upstream_host}:{upstream_port}",
        rules,
        host=host,
        port=port,
        ssl_context=contexts[0],
        upstream_ssl_context=contexts[1],
    )
    proxy.on_outcome = _print_json if args.json else _print_line
    try:
        asyncio.run(_serve(proxy, "PLAINTEXT" if contexts[0] is None else "SSL"))
    except OSError as error:
        print(f"minibroker proxy: cannot listen at {host}:{port}: {error}", file=sys.stderr)
        return 1
    for armed in proxy.rules:
        text = f"{rule_text(armed.rule)} fired {armed.fired} of {armed.matched} matches"
        print(text, file=sys.stderr)
    return 0


def _parse_listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, 0) if host and port == "0" else parse_address(text)


def _contexts(args: Namespace) -> tuple[SSLContext | None, SSLContext | None]:
    """TLS towards clients, and towards the Kafka behind. Raises ValueError or OSError."""
    listening: SSLContext | None = None
    if args.listen_ssl is not None:
        import ssl

        from ...client.security.tls import load_chain, pem_text

        pem_text("--listen-ssl", args.listen_ssl)
        listening = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        load_chain(listening, args.listen_ssl, None, None, "a key without a password")
    if args.command_config is None:
        return listening, None
    from ..asking.command_config import Secured

    return listening, Secured(args.command_config, {}).arguments.get("ssl_context")


async def _serve(proxy: Proxy, protocol: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with proxy:
        address = f"{protocol}://{proxy.bootstrap_servers}"
        print(f"minibroker proxy ready: listeners={address}", flush=True)
        await stopping.wait()


def _print_line(relayed: RelayedRequest) -> None:
    client = visible(relayed.client_id or "-")
    print(
        f"connection {relayed.connection} {client}: {relayed.api} v{relayed.version} "
        f"{visible(relayed.about)}".rstrip()
        + f" -> {relayed.outcome}",
        flush=True,
    )


def _print_json(relayed: RelayedRequest) -> None:
    names = ("connection", "client_id", "api", "version", "about", "outcome")
    print(json.dumps({name: getattr(relayed, name) for name in names}), flush=True)
