"""EDGE: `minibroker healthcheck`: exit 0 if a broker answers ApiVersions.

Made to be cheap, since containers run it every few seconds: a blocking socket and one frame
written by hand, no event loop, no codec. A broker answers it before any login.
Source: ApiVersionsRequest.json, version 0.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..terminal.addresses import HERE, VARIABLE, Address, add_bootstrap_server, parse_addresses
from ..terminal.counts import parse_count

if TYPE_CHECKING:
    from ssl import SSLContext

SUMMARY = "exit 0 if a broker answers"
EXAMPLES = (
    "healthcheck --bootstrap-server 127.0.0.1:9092",
    "healthcheck --wait 30000",
)
AGAIN_AFTER_S = 0.1
_CONFIGURES = ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "MINIBROKER_CONFIG")
_SECURES = ("COMMAND_CONFIG", "SECURITY_PROTOCOL")
_CORRELATION_ID = b"\x00\x00\x00\x01"
# size 10, API key 18, version 0, the correlation id, no client id
_REQUEST = b"\x00\x00\x00\x0a\x00\x12\x00\x00" + _CORRELATION_ID + b"\xff\xff"
_HEAD_BYTES = 10  # size, correlation id, error code


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_bootstrap_server(parser)
    parser.set_defaults(bootstrap_server=None)
    parser.add_argument(
        "--timeout-ms",
        type=parse_count,
        default=2000,
        metavar="MS",
        help="how long one answer may take (default %(default)s)",
    )
    parser.add_argument(
        "--wait",
        type=parse_count,
        metavar="MS",
        help="ask again until a broker answers, for so long (default: ask once)",
    )


def run(args: Namespace) -> int:
    """Ask once, or with --wait until somebody answers."""
    context: SSLContext | None = None
    try:
        is_told = any(name in os.environ for name in _SECURES)
        is_here = not args.bootstrap_server and _is_configured()
        if args.command_config or (is_told and not is_here):
            addresses, context = _secured(args)
        elif args.bootstrap_server:
            addresses = args.bootstrap_server
        else:
            addresses, context = _configured()
    except ValueError as error:  # ConfigError
        print(f"minibroker healthcheck: {error}", file=sys.stderr)
        return 2
    until = time.monotonic() + (args.wait or 0) / 1000
    while True:
        troubles = []
        for host, port in addresses:
            trouble = _trouble(host, port, args.timeout_ms / 1000, context)
            if not trouble:
                print("healthy")
                return 0
            troubles.append(f"unhealthy: {host}:{port}{trouble}")
        if time.monotonic() >= until:
            print("\n".join(troubles), file=sys.stderr)
            return 1
        time.sleep(AGAIN_AFTER_S)


def _is_configured() -> bool:
    return any(name in os.environ for name in _CONFIGURES)


def _configured() -> tuple[list[Address], SSLContext | None]:
    """Where the broker listens that this file system and environment configure, and with which TLS.

    BOOTSTRAP_SERVERS is for clients, who may be told of another broker: it counts where nothing is
    configured. Options of `serve` cannot be seen from here.
    """
    if not _is_configured():  # which spares an import
        return parse_addresses(os.environ.get(VARIABLE) or HERE), None
    from ...broker.config.sources import load
    from ..config_file import standing_layers

    listeners = load(standing_layers(None)).listeners
    listener = min(listeners, key=lambda each: each.security.protocol.has_tls)
    address = (listener.host or "127.0.0.1", listener.port)
    if not listener.security.protocol.has_tls:
        return [address], None
    import ssl

    # Whether it answers is asked, of oneself, and nothing is told: whose certificate it shows, and
    # for which name, does not matter to that. One that asks for a client's is healthy when it asks.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return [address], context


def _secured(args: Namespace) -> tuple[list[Address], SSLContext | None]:
    """Where, and with which TLS. ApiVersions needs no login, so that none is tried."""
    from ..asking.reach import Reach
    from ..terminal.running import WrongUsage

    try:
        reach = Reach(args)
    except WrongUsage as error:
        raise ValueError(str(error)) from None
    return reach.addresses, reach.security.get("ssl_context")


def _trouble(host: str, port: int, timeout: float, context: SSLContext | None) -> str:
    """What is wrong with the broker there; nothing if it answers."""
    try:
        head = _ask(host, port, timeout, context)
    except OSError as error:
        return f": {error.strerror or error}"
    if len(head) < _HEAD_BYTES or head[4:8] != _CORRELATION_ID or head[8:10] != b"\x00\x00":
        return " answers, but not as Kafka"
    return ""


def _ask(host: str, port: int, timeout: float, context: SSLContext | None) -> bytes:
    reached = _connected(host, port, timeout)
    if context is not None:
        reached = context.wrap_socket(reached, server_hostname=host)
    with reached as connection:
        connection.sendall(_REQUEST)
        head = b""
        while len(head) < _HEAD_BYTES:
            part = connection.recv(_HEAD_BYTES - len(head))
            if not part:
                break
            head += part
        return head


def _connected(host: str, port: int, timeout: float) -> socket.socket:
    """Like socket.create_connection, but a name as text would take an import of 5 ms to encode."""
    refused: OSError | None = None
    for family, kind, _, _, address in socket.getaddrinfo(
        host.encode(), port, type=socket.SOCK_STREAM
    ):
        connection = socket.socket(family, kind)
        connection.settimeout(timeout)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            refused = error
        else:
            return connection
    raise refused or OSError(f"{host} has no address")
