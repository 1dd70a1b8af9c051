"""EDGE: `minibroker explain TOPIC[:PARTITION]`: why each Produce was answered as it was.

Asks a running minibroker for the newest verdicts of its partitions; another Kafka does not offer
the API, which is said. `--follow` asks again and again until interrupted; `--json` prints one JSON
object a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..client.network import Connection, ConnectionFailed, RequestTimedOut
from ..protocol.connection import UnsupportedApi
from ..protocol.errors import ErrorCode, error_code
from ..protocol.messages.explain_produce import ExplainProduceRequest, ProduceVerdict
from .addresses import add_bootstrap_server
from .standard_output import forget_reader
from .tables import table

SUMMARY = "say why each Produce was answered as it was"
FOLLOW_INTERVAL_S = 0.25
WINDOW_SHOWN = 5
HEADS = (
    *("time", "partition", "client", "pid", "epoch", "sequence", "expected"),
    *("window", "verdict", "offset", "reason"),
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
    parser.add_argument("--follow", action="store_true", help="go on with what comes")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(args: Namespace) -> int:
    """Explain."""
    try:
        return asyncio.run(_explain(args))
    except (ConnectionFailed, RequestTimedOut, UnsupportedApi) as error:
        print(f"minibroker explain: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        forget_reader()
        return 0


def parse_topic_partition(text: str) -> tuple[str, int]:
    """(topic, partition), -1 for all. Raises ArgumentTypeError."""
    topic, separator, partition = text.partition(":")
    if not topic or (separator and not partition.isdecimal()):
        raise ArgumentTypeError(f"{text!r}: expected TOPIC or TOPIC:PARTITION")
    return topic, int(partition) if separator else -1


async def _explain(args: Namespace) -> int:
    topic, partition = args.topic
    connection = await Connection.open(*args.bootstrap_server)
    after = -1
    try:
        while True:
            response = await connection.request(
                ExplainProduceRequest(topic=topic, partition=partition, after_number=after)
            )
            if response.error_code:
                code = error_code(response.error_code)
                why = response.error_message or code.text
                print(f"minibroker explain: {code.name}: {why}", file=sys.stderr)
                return 1
            _show(response.verdicts, args, is_first=after < 0)
            if not args.follow:
                return 0
            after = max([after, *(each.number for each in response.verdicts)])
            await asyncio.sleep(FOLLOW_INTERVAL_S)
    finally:
        await connection.close()


def _show(verdicts: Sequence[ProduceVerdict], args: Namespace, *, is_first: bool) -> None:
    if args.json:
        for each in verdicts:
            print(json.dumps(_plain(each)))
    elif is_first:
        print(table(HEADS, [_row(each) for each in verdicts]))
    else:
        for each in verdicts:
            print("  ".join(map(str, _row(each))))
    sys.stdout.flush()


def _row(verdict: ProduceVerdict) -> Sequence[object]:
    is_idempotent = verdict.producer_id >= 0
    code = error_code(verdict.error_code)
    word = verdict.verdict if code is ErrorCode.NONE else f"{verdict.verdict} {code.name}"
    window = [_span(each.first_sequence, each.last_sequence) for each in verdict.window]
    count = verdict.records_count
    return (
        _time(verdict.received_at_ms),
        verdict.partition,
        verdict.client_id or "-",
        verdict.producer_id if is_idempotent else "-",
        verdict.producer_epoch if is_idempotent else "-",
        _span(verdict.first_sequence, verdict.first_sequence + count - 1) if is_idempotent else "-",
        verdict.expected_sequence if verdict.expected_sequence >= 0 else "-",
        " ".join(window[:WINDOW_SHOWN]) or "-",
        word,
        verdict.base_offset if verdict.base_offset >= 0 else "-",
        verdict.reason,
    )


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
    }
