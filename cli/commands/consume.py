"""EDGE: `minibroker consume TOPIC`: print the records of a topic, once or as they come.

Without --follow it ends at the end offsets it saw at the start. Standard output carries records
only: byte for byte into files and pipes; on a terminal control characters are shown, not obeyed.
A reader that goes away (`| head -1`) ends it without complaint.
Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from base64 import b64encode
from collections.abc import Callable, Collection

from ...client.config import ISOLATION_LEVELS
from ...client.consumer import Consumer, ConsumerRecord, TopicPartition
from ...client.errors import ClientError
from ...protocol.errors import ErrorCode
from ..asking.consume_group import print_group
from ..asking.reach import Reach
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_count, parse_whole
from ..terminal.running import CommandFailed, complain, no_topic, running
from ..terminal.visible import visible_lines

SUMMARY = "print the records of a topic"
EXAMPLES = (
    "consume orders --offset -5 --json",
    "consume orders --follow --group shop --format '%k %v'",
    "consume orders --isolation read_committed",
)
TOPIC_TIMEOUT_MS = 1_000
POLL_MS = 200
BATCH_RECORDS = 1_000
WRONG_USAGE = 2

FORMAT = """How to print a record. %%k key, %%v value, %%o offset, %%p partition, %%t topic,
%%T timestamp (ms since 1970), %%h headers, %%%% a percent sign; \\n, \\t, \\0 and \\\\ as usual. A
newline follows unless the format ends with one or with \\0 (default '%%v')"""
ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}
FIELDS: dict[str, Callable[[ConsumerRecord], bytes]] = {
    "k": lambda record: record.key or b"",
    "v": lambda record: record.value or b"",
    "s": lambda record: record.value or b"",
    "o": lambda record: b"%d" % record.offset,
    "p": lambda record: b"%d" % record.partition,
    "t": lambda record: record.topic.encode(),
    "T": lambda record: b"%d" % record.timestamp,
    "h": lambda record: b",".join(
        name.encode() + b"=" + (value or b"") for name, value in record.headers
    ),
    "%": lambda record: b"%",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("topic", help="which topic")
    add_bootstrap_server(parser)
    parser.add_argument(
        "--partition", type=parse_whole, metavar="N", help="only this one (default: all)"
    )
    parser.add_argument(
        "--group",
        metavar="GROUP",
        help="read as a member of this consumer group, on from what it has committed, and commit "
        "what was printed",
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--from-beginning",
        action="store_true",
        help="begin with the first record (the default without --follow)",
    )
    start.add_argument(
        "--offset",
        type=_parse_offset,
        metavar="N",
        help="begin there: an offset, -N for the last N of each partition, earliest, latest",
    )
    parser.add_argument(
        "--isolation",
        choices=ISOLATION_LEVELS,
        default=ISOLATION_LEVELS[0],
        help="read_committed leaves out records of open and aborted transactions, and ends before "
        "the first open one (default: %(default)s)",
    )
    parser.add_argument("--follow", action="store_true", help="wait for more, until Ctrl-C")
    parser.add_argument(
        "--max-messages", type=parse_count, metavar="N", help="end after N records (default: all)"
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--format", help=FORMAT)
    shape.add_argument("--json", action="store_true", help="print a JSON object for each record")


def run(args: Namespace) -> int:
    """Print the records."""
    if args.group is not None and (args.partition is not None or args.offset is not None):
        text = "a group decides about partitions and offsets: no --partition, no --offset"
        complain("consume", f"--group: {text}")
        return WRONG_USAGE
    try:
        show = as_json if args.json else parse_format("%v" if args.format is None else args.format)
    except ValueError as error:
        complain("consume", str(error))
        return WRONG_USAGE
    if sys.stdout.isatty():
        show = _harmless(show)
    return running("consume", lambda: _consume(args, show))


def parse_format(text: str) -> Callable[[ConsumerRecord], bytes]:
    """The function that prints a record in a --format. Raises ValueError for an unknown %x."""
    parts: list[bytes | Callable[[ConsumerRecord], bytes]] = []
    for literal, field, escape in re.findall(r"([^%\\]+)|%(.?)|\\(.?)", text, re.DOTALL):
        if literal:
            parts.append(literal.encode())
        elif escape in ESCAPES:
            parts.append(ESCAPES[escape])
        elif field in FIELDS:
            parts.append(FIELDS[field])
        else:
            unknown = f"%{field}" if field else f"\\{escape}" if escape else "a lone % or \\"
            raise ValueError(f"--format {text!r}: {unknown} means nothing here")
    if not parts or parts[-1] not in (b"\n", b"\0"):
        parts.append(b"\n")
    return lambda record: b"".join(
        part if isinstance(part, bytes) else part(record) for part in parts
    )


def as_json(record: ConsumerRecord) -> bytes:
    """One line; bytes that are no UTF-8 become {"base64": …}."""
    shown = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _json_text(record.key),
        "value": _json_text(record.value),
        "headers": [[name, _json_text(value)] for name, value in record.headers],
    }
    return json.dumps(shown, ensure_ascii=False).encode() + b"\n"


def _json_text(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _harmless(show: Callable[[ConsumerRecord], bytes]) -> Callable[[ConsumerRecord], bytes]:
    """The same for a terminal, which a record's bytes could otherwise repaint."""
    return lambda record: visible_lines(show(record).decode(errors="backslashreplace")).encode()


async def _consume(args: Namespace, show: Callable[[ConsumerRecord], bytes]) -> int:
    reach = Reach(args)
    consumer = Consumer(
        bootstrap_servers=reach.servers,
        auto_offset_reset="latest" if args.follow and not args.from_beginning else "earliest",
        group_id=args.group,
        isolation_level=args.isolation,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        max_poll_records=BATCH_RECORDS,
        **reach.security,
    )
    async with consumer:
        partitions = await _partitions(consumer, args.topic)
        if args.group is not None:
            await print_group(consumer, args, show, BATCH_RECORDS)
        else:
            places = _places(partitions, args)
            ends = await consumer.end_offsets(places)
            starts = await _starts(consumer, args, ends)
            consumer.assign(places)
            for place, offset in starts.items():
                consumer.seek(place, offset)
            await _print(consumer, args, ends, show)
    return 0


async def _partitions(consumer: Consumer, topic: str) -> Collection[int]:
    try:
        return await consumer.partitions_for_topic(topic, timeout_ms=TOPIC_TIMEOUT_MS)
    except ClientError as error:
        if error.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            raise CommandFailed(no_topic(topic)) from None
        raise


def _places(partitions: Collection[int], args: Namespace) -> list[TopicPartition]:
    if args.partition is None:
        return [TopicPartition(args.topic, partition) for partition in partitions]
    if args.partition not in partitions:
        count = len(partitions)
        raise CommandFailed(
            f"--partition: {args.topic} has {count} partitions, {args.partition} is none of them"
        )
    return [TopicPartition(args.topic, args.partition)]


async def _starts(
    consumer: Consumer, args: Namespace, ends: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The first offset to print of each partition."""
    begins = await consumer.beginning_offsets([*ends])
    offset = args.offset
    if offset is None:
        offset = "latest" if args.follow and not args.from_beginning else "earliest"
    if offset == "earliest":
        return begins
    if offset == "latest":
        return ends
    if offset < 0:
        return {place: max(begins[place], end + offset) for place, end in ends.items()}
    behind = [place for place, end in ends.items() if offset > end]
    if behind:
        topic, partition = behind[0]
        raise CommandFailed(
            f"--offset {offset}: {topic} {partition} ends at offset {ends[behind[0]]}"
        )
    return {place: max(begins[place], offset) for place in ends}


async def _print(
    consumer: Consumer,
    args: Namespace,
    ends: dict[TopicPartition, int],
    show: Callable[[ConsumerRecord], bytes],
) -> None:
    left = args.max_messages
    output = sys.stdout.buffer
    while left is None or left > 0:
        if not args.follow and await _is_done(consumer, ends):
            return
        count_max = BATCH_RECORDS if left is None else min(left, BATCH_RECORDS)
        taken = await consumer.getmany(timeout_ms=POLL_MS, max_records=count_max)
        for place, records in taken.items():
            end = None if args.follow else ends[place]
            shown = [show(each) for each in records if end is None or each.offset < end]
            output.write(b"".join(shown))
            if left is not None:
                left -= len(shown)
        output.flush()


async def _is_done(consumer: Consumer, ends: dict[TopicPartition, int]) -> bool:
    done = True
    for place, end in ends.items():
        if await consumer.position(place) >= end:
            consumer.pause(place)
        else:
            done = False
    return done


def _parse_offset(text: str) -> int | str:
    if text in ("earliest", "latest"):
        return text
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: expected N, -N, earliest or latest") from None
