"""EDGE: `--bootstrap-server HOST[:PORT],…`, the same for every command that talks to a broker.

Without the option the variable BOOTSTRAP_SERVERS is taken, and without that 127.0.0.1:9092.
Tests: tests/unit/cli/test_main.py
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError

PORT = 9092
HERE = f"127.0.0.1:{PORT}"
VARIABLE = "BOOTSTRAP_SERVERS"

Address = tuple[str, int]


def parse_address(text: str) -> Address:
    """(host, port) of HOST[:PORT] or [IPV6][:PORT]. Raises ArgumentTypeError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or text.strip().endswith("]"):
        host, port = text.strip(), str(PORT)
    is_bracketed = host.startswith("[") and host.endswith("]")
    if is_bracketed:
        host = host[1:-1]
    elif ":" in host:
        raise ArgumentTypeError(f"{text!r}: an IPv6 address stands in brackets: [::1]:{PORT}")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ArgumentTypeError(f"{text!r}: expected HOST[:PORT]")
    return host, int(port)


def parse_addresses(text: str) -> list[Address]:
    """The addresses of HOST[:PORT],… Raises ArgumentTypeError."""
    return [parse_address(each) for each in text.split(",")]


def server_names(addresses: list[Address]) -> list[str]:
    """HOST:PORT of each, as our clients take them."""
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses]


def add_bootstrap_server(parser: ArgumentParser) -> None:
    """Declare the option; its value is a list of (host, port)."""
    parser.add_argument(
        "--bootstrap-server",
        metavar="HOST[:PORT],...",
        type=parse_addresses,
        default=os.environ.get(VARIABLE) or HERE,
        help=f"brokers of the cluster, tried in turn (default: ${VARIABLE}, else {HERE})",
    )
