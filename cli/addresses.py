"""`--bootstrap-server HOST:PORT`, the same for every command that talks to a broker."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError


def parse_address(text: str) -> tuple[str, int]:
    """(host, port) of a HOST:PORT text. Raises ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ArgumentTypeError(f"{text!r}: expected HOST:PORT")
    return host.strip("[]"), int(port)


def add_bootstrap_server(parser: ArgumentParser) -> None:
    """Declare the option; its value is (host, port)."""
    parser.add_argument(
        "--bootstrap-server",
        metavar="HOST:PORT",
        type=parse_address,
        default="127.0.0.1:9092",
        help="the broker (default %(default)s)",
    )
