"""EDGE: `minibroker explain TOPIC[:PARTITION]`: why each Produce was answered as it was.

Asks a running minibroker for the newest verdicts of its partitions; another Kafka does not offer
the API, which is said. A verdict is a line of 80 columns and its reason below; `--follow` asks
again and again until interrupted; `--json` prints one JSON object a line.
Tests: tests/system/commands/test_explain.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from ...client.cluster.connection import Connection
from ...client.errors import ConnectionFailed, RequestTimedOut
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.explain_produce import ExplainProduceRequest, ProduceVerdict
from ..asking.reach import Reach
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_count
from ..terminal.running import CommandFailed, no_topic, running
from ..terminal.visible import visible

SUMMARY = "say why each Produce was answered as it was"
EXAMPLES = ("explain orders:0 --limit 5", "explain orders --follow")
FOLLOW_INTERVAL_S = 0.25
LINE_COLUMNS = 80
WINDOW_SHOWN = 5
LINE = "{:12}  {:>4}  {:10.10}  {:15}  {:9}  {:9}  {}"
HEADS = ("time", "part", "client", "producer", "sequence", "verdict", "offset")
KEPT = (
    "minibroker keeps the newest 64 verdicts of each partition (256 partitions at most), in memory "
    "since its start"
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "topic",
        type=parse_topic_partition,
        metavar="TOPIC[:PARTITION]",
        help="which topic; all its partitions, or one",
    )
    add_bootstrap_server(parser)
    parser.add_argument("--limit", type=parse_count, metavar="N", help=f"only the newest N. {KEPT}")
    parser.add_argument("--follow", action="store_true", help="go on with what comes")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(args: Namespace) -> int:
    """Explain."""
    return running("explain", lambda: _explain(args))


def parse_topic_partition(text: str) -> tuple[str, int]:
    """(topic, partition), -1 for all. Raises ArgumentTypeError."""
    topic, separator, partition = text.partition(":")
    if not topic or (separator and not partition.isdecimal()):
        raise ArgumentTypeError(f"{text!r}: expected TOPIC or TOPIC:PARTITION")
    return topic, int(partition) if separator else -1


async def _explain(args: Namespace) -> int:
    topic, partition = args.topic
    connection = await _connect(Reach(args))
    after = -1
    try:
        while True:
            response = await connection.request(
                ExplainProduceRequest(topic=topic, partition=partition, after_number=after)
            )
            subject = topic if partition < 0 else f"{topic}:{partition}"
            _check(error_code(response.error_code), response.error_message, subject)
            verdicts = response.verdicts
            _show(verdicts[-args.limit :] if args.limit else verdicts, args, is_first=after < 0)
            if not args.follow:
                return 0
            after = max([after, *(each.number for each in verdicts)])
            await asyncio.sleep(FOLLOW_INTERVAL_S)
    finally:
        await connection.close()


async def _connect(reach: Reach) -> Connection:
    """To the first that can be reached: the API is ours, and no part of Admin, which is Kafka's."""
    *others, last = reach.addresses
    security = reach.of_connections()
    for address in others:
        try:
            return await Connection.open(*address, security=security)
        except (ConnectionFailed, RequestTimedOut):
            continue
    return await Connection.open(*last, security=security)


def _check(code: ErrorCode, said: str | None, subject: str) -> None:
    if code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        raise CommandFailed(no_topic(subject))
    if code:
        raise CommandFailed(f"{subject}: {code.name}: {said or code.text}")


def _show(verdicts: Sequence[ProduceVerdict], args: Namespace, *, is_first: bool) -> None:
    if args.json:
        for each in verdicts:
            print(json.dumps(_plain(each)))
    else:
        if is_first and (verdicts or args.follow):
            print(LINE.format(*HEADS))
        elif is_first:
            print(f"nothing was produced there, as far as is known; {KEPT}", file=sys.stderr)
        for each in verdicts:
            print("\n".join(_lines(each)))
    sys.stdout.flush()


def _lines(verdict: ProduceVerdict) -> list[str]:
    """A verdict in columns, and its reason in words below."""
    is_idempotent = verdict.producer_id >= 0
    last = verdict.first_sequence + verdict.records_count - 1
    line = LINE.format(
        _time(verdict.received_at_ms),
        verdict.partition,
        visible(verdict.client_id) or "-",
        f"{verdict.producer_id}/{verdict.producer_epoch}" if is_idempotent else "-",
        _span(verdict.first_sequence, last) if is_idempotent else "-",
        verdict.verdict,
        verdict.base_offset if verdict.base_offset >= 0 else "-",
    )
    text = verdict.reason
    if error_code(verdict.error_code) is not ErrorCode.NONE and verdict.window:
        window = [_span(each.first_sequence, each.last_sequence) for each in verdict.window]
        text += f"; known then: {' '.join(window[:WINDOW_SHOWN])}, newest first"
    indent = " " * 4
    return [
        line.rstrip(),
        *wrap(visible(text), LINE_COLUMNS, initial_indent=indent, subsequent_indent=indent),
    ]


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}…{last}"


def _time(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone()
    return moment.strftime("%H:%M:%S.") + f"{at_ms % 1000:03}"


def _plain(verdict: ProduceVerdict) -> dict[str, Any]:
    window = [
        [each.first_sequence, each.last_sequence, each.base_offset] for each in verdict.window
    ]
    return {
        "number": verdict.number,
        "received_at_ms": verdict.received_at_ms,
        "partition": verdict.partition,
        "client_id": verdict.client_id,
        "producer_id": verdict.producer_id,
        "producer_epoch": verdict.producer_epoch,
        "first_sequence": verdict.first_sequence,
        "records_count": verdict.records_count,
        "expected_sequence": verdict.expected_sequence,
        "window": window,
        "verdict": verdict.verdict,
        "error": error_code(verdict.error_code).name,
        "base_offset": verdict.base_offset,
        "reason": verdict.reason,
        "transaction": verdict.transaction or None,
    }
