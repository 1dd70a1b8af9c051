"""EDGE: `minibroker healthcheck`: exit 0 if a broker answers ApiVersions.

Made to be cheap, since containers run it every few seconds: a blocking socket and one frame
written by hand, no event loop, no codec.
Source: ApiVersionsRequest.json, version 0.
"""

from __future__ import annotations

import socket
import sys
from argparse import ArgumentParser, Namespace

from .addresses import add_bootstrap_server

SUMMARY = "exit 0 if a broker answers"
_CORRELATION_ID = b"\x00\x00\x00\x01"
# size 10, API key 18, version 0, the correlation id, no client id
_REQUEST = b"\x00\x00\x00\x0a\x00\x12\x00\x00" + _CORRELATION_ID + b"\xff\xff"
_HEAD_BYTES = 10  # size, correlation id, error code


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_bootstrap_server(parser)
    parser.add_argument(
        "--timeout-ms", type=int, default=2000, help="how long to wait (default %(default)s)"
    )


def run(args: Namespace) -> int:
    """Ask once."""
    host, port = args.bootstrap_server
    try:
        head = _ask(host, port, args.timeout_ms / 1000)
    except OSError as error:
        print(f"unhealthy: {host}:{port}: {error}", file=sys.stderr)
        return 1
    if len(head) < _HEAD_BYTES or head[4:8] != _CORRELATION_ID or head[8:10] != b"\x00\x00":
        print(f"unhealthy: {host}:{port} answers, but not as Kafka", file=sys.stderr)
        return 1
    print("healthy")
    return 0


def _ask(host: str, port: int, timeout: float) -> bytes:
    with _connected(host, port, timeout) as connection:
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
