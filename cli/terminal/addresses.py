"""`--bootstrap-server HOST[:PORT],…` and `--command-config FILE`: the same for all commands.

Without the first the variable BOOTSTRAP_SERVERS is taken, and without that 127.0.0.1:9092.
Tests: tests/unit/cli/test_main.py
"""

from __future__ import annotations

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


def parse_place(text: str) -> Address:
    """(host, port) of HOST:PORT to listen at; an empty host for everywhere, 0 for any free port.

    Raises ArgumentTypeError.
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ArgumentTypeError(f"{text!r}: an IPv6 address stands in brackets: [::1]:9404")
    if not colon or not port.isdecimal() or int(port) >= 65536:
        raise ArgumentTypeError(f"{text!r}: expected HOST:PORT, 127.0.0.1:9404 for instance")
    return host, int(port)


def parse_addresses(text: str) -> list[Address]:
    """The addresses of HOST[:PORT],… Raises ArgumentTypeError."""
    return [parse_address(each) for each in text.split(",")]


def server_names(addresses: list[Address]) -> list[str]:
    """HOST:PORT of each, as our clients take them."""
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses]


def add_bootstrap_server(parser: ArgumentParser) -> None:
    """Declare the options that say where the brokers are, and how; asking/reach.py reads them."""
    parser.add_argument(
        "--bootstrap-server",
        metavar="HOST[:PORT],...",
        type=parse_addresses,
        help=f"brokers of the cluster, tried in turn (default: ${VARIABLE}, else {HERE})",
    )
    parser.add_argument(
        "--command-config",
        metavar="FILE",
        help="properties of TLS and SASL, by Kafka's or librdkafka's names "
        "(default: $COMMAND_CONFIG, or variables such as SECURITY_PROTOCOL)",
    )
