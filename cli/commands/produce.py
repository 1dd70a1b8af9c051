"""EDGE: `minibroker produce TOPIC`: lines in, records out, each stored exactly once.

A record is a line without its newline, otherwise byte for byte. How they are sent is in producing/:
each as it comes, or in transactions.
Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...client.config import CODECS
from ..producing.in_transactions import InTransactions
from ..producing.plainly import Plainly
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_count, parse_ms, parse_whole
from ..terminal.running import WrongUsage, complain, running

SUMMARY = "send lines to a topic, each stored exactly once"
EXAMPLES = (
    "produce orders --file orders.txt --compression-type zstd",
    "produce orders --key-separator : --json < pairs.txt > receipts.json",
    "produce orders --file orders.txt --transactional-id importer --transaction-lines 500",
    "produce orders --file orders.txt --session orders.session",
)
TRANSACTION_LINES = 1_000


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("topic", help="created on first use where the broker allows it")
    add_bootstrap_server(parser)
    parser.add_argument(
        "--file", metavar="FILE", help="read lines from a file (default: standard input)"
    )
    parser.add_argument(
        "--key-separator", metavar="TEXT", help="the key is what stands before it, if it is there"
    )
    parser.add_argument(
        "--partition", type=parse_whole, metavar="N", help="default: by key, or whichever"
    )
    parser.add_argument(
        "--acks", choices=("all", "1", "0"), default="all", help="default %(default)s"
    )
    parser.add_argument(
        "--enable-idempotence",
        choices=("true", "false"),
        default="true",
        help="false may store lines twice (default %(default)s)",
    )
    parser.add_argument(
        "--compression-type", choices=[*CODECS], default="none", help="default %(default)s"
    )
    _add_promises(parser)
    for option, parse, default, meaning in (
        ("--linger-ms", parse_ms, 5, "how long a batch waits for more lines"),
        ("--batch-size", parse_count, 16_384, "bytes of a batch"),
        ("--max-request-size", parse_count, 1_048_576, "bytes of the largest record"),
        ("--delivery-timeout-ms", parse_count, 120_000, "how long a line may take in all"),
        ("--request-timeout-ms", parse_count, 30_000, "how long one answer may take"),
    ):
        parser.add_argument(
            option,
            type=parse,
            default=default,
            metavar="MS" if option.endswith("ms") else "BYTES",
            help=f"{meaning} (default %(default)s)",
        )
    parser.add_argument("--json", action="store_true", help="print a receipt for each record")


def _add_promises(parser: ArgumentParser) -> None:
    """Declare what outlives the command."""
    parser.add_argument(
        "--transactional-id",
        metavar="ID",
        help="commit lines together; whoever starts under the same id ends this one; with "
        "--session: which of all copies of its directory may send",
    )
    parser.add_argument(
        "--transaction-lines",
        type=parse_count,
        metavar="N",
        help="lines of a transaction, fewer where they take more than a second to come "
        f"(default {TRANSACTION_LINES})",
    )
    parser.add_argument(
        "--session",
        metavar="DIR",
        help="keep what is sent in a directory; after a kill the same command goes on",
    )
    parser.add_argument(
        "--session-durability",
        choices=("fsync", "page-cache"),
        default="fsync",
        help="page-cache does not survive a power loss of this machine (default %(default)s)",
    )


async def _send(args: Namespace) -> int:
    if args.transactional_id is None or args.session is not None:
        if args.transaction_lines is not None:
            other = "--transactional-id" if args.session is None else "no --session"
            raise WrongUsage(f"--transaction-lines goes with {other}")
        return await Plainly(args).send_all()
    if args.transaction_lines is None:
        args.transaction_lines = TRANSACTION_LINES
    return await InTransactions(args).send_all()


def run(args: Namespace) -> int:
    """Send the lines."""
    try:
        return running("produce", lambda: _send(args))
    except ImportError as error:  # a codec's package, named with its extra
        complain("produce", str(error))
        return 1
