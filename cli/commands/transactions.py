"""EDGE: `minibroker transactions list|describe|abort|find-hanging`: transactions of any Kafka.

Flags feel like kafka-transactions; `--json` prints one JSON document for machines. Works through
Admin. Here: what may be asked, and how answers are shown; what is safe to abort is in
asking/transaction_end.py.
Tests: tests/system/commands/test_cli_transactions.py
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ...client.admin import Admin, HangingTransaction, ProducerDescription, TransactionDescription
from ...client.partitions import TopicPartition
from ..asking.admin import admin_of, parse_names
from ..asking.transaction_end import abort_here, terminate
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_whole
from ..terminal.running import CommandFailed, WrongUsage, running
from ..terminal.tables import places_cell, table
from ..terminal.visible import visible

SUMMARY = "list, describe or abort transactions, find those that hang"
EXAMPLES = (
    "transactions list --state Ongoing",
    "transactions find-hanging --topic orders",
    "transactions list --transactional-id-pattern 'shop-.*' --json",
    "transactions describe --transactional-id shop-1",
    "transactions describe --topic orders --partition 0",
    "transactions abort --transactional-id shop-1",
    "transactions abort --topic orders --partition 0 --start-offset 17",
    "transactions find-hanging --broker-id 1 --max-transaction-timeout 5",
)
MINUTE_MS = 60_000
MAX_TIMEOUT_MINUTES = 15  # Kafka's transaction.max.timeout.ms, unless it was told otherwise
OVER = ("Empty", "CompleteCommit", "CompleteAbort", "Dead")  # in other states one is open

LIST_HEADS = ("TRANSACTIONAL-ID", "COORDINATOR", "PRODUCER-ID", "STATE")
DESCRIBE_HEADS = (
    *("TRANSACTIONAL-ID", "COORDINATOR", "PRODUCER-ID", "EPOCH", "STATE", "TIMEOUT-MS"),
    *("START-TIME", "DURATION-MS", "PARTITIONS"),
)
PRODUCER_HEADS = (
    *("TOPIC", "PARTITION", "PRODUCER-ID", "EPOCH", "LAST-SEQUENCE", "LAST-TIME"),
    *("COORDINATOR-EPOCH", "START-OFFSET"),
)
HANGING_HEADS = (
    *("TOPIC", "PARTITION", "PRODUCER-ID", "EPOCH", "COORDINATOR-EPOCH", "START-OFFSET"),
    *("LAST-TIME", "MINUTES"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = commands.add_parser("list", help="the transactional ids there are")
    listing.add_argument(
        "--state",
        type=parse_names,
        default=[],
        metavar="STATE,...",
        help="only ids in these states (Ongoing, CompleteCommit, ...)",
    )
    listing.add_argument(
        "--producer-id",
        type=parse_whole,
        action="append",
        metavar="N",
        help="only ids of this producer; repeatable",
    )
    listing.add_argument(
        "--duration-filter",
        type=parse_whole,
        metavar="MS",
        help="only ids whose transaction began longer ago, or that never had one",
    )
    listing.add_argument(
        "--transactional-id-pattern", metavar="RE2", help="only ids that match this as a whole"
    )
    describe = commands.add_parser(
        "describe", help="what a coordinator knows of an id, or a partition of its producers"
    )
    what = describe.add_mutually_exclusive_group(required=True)
    what.add_argument("--transactional-id", action="append", metavar="ID", help="repeatable")
    what.add_argument("--topic", help="the producers of its partitions, open transactions too")
    describe.add_argument("--partition", type=parse_whole, metavar="N", help="only this one")
    abort = commands.add_parser("abort", help="abort a transaction, or a part of it that hangs")
    _add_abort_arguments(abort)
    find = commands.add_parser("find-hanging", help="open transactions that nobody will ever end")
    find.add_argument("--topic", help="only in this one (default: in all, internal ones too)")
    find.add_argument("--partition", type=parse_whole, metavar="N", help="only in this one")
    find.add_argument(
        "--broker-id", type=parse_whole, metavar="N", help="only where this broker leads"
    )
    find.add_argument(
        "--max-transaction-timeout",
        type=parse_whole,
        default=MAX_TIMEOUT_MINUTES,
        metavar="MINUTES",
        help="transaction.max.timeout.ms of the brokers (default: 15 minutes, as Kafka's)",
    )
    for command in (listing, describe, abort, find):
        add_bootstrap_server(command)
        command.add_argument("--json", action="store_true", help="print JSON")


def _add_abort_arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--transactional-id", metavar="ID", help="abort what is open under it, fence its producer"
    )
    what.add_argument("--topic", help="end what hangs in one partition with an abort marker")
    parser.add_argument("--partition", type=parse_whole, metavar="N", help="with --topic")
    parser.add_argument(
        "--start-offset",
        type=parse_whole,
        metavar="N",
        help="with --topic: where it began, as find-hanging shows",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="with --topic: even if a coordinator knows it, and may commit the rest of it",
    )


def run(args: Namespace) -> int:
    """Run one verb."""
    return running(f"transactions {args.verb}", lambda: _run(args))


async def _run(args: Namespace) -> int:
    if args.verb != "list" and args.partition is not None and args.topic is None:
        raise WrongUsage("--partition goes with --topic")
    if args.verb == "abort":
        _check_abort(args)
    verbs = {"list": _list, "describe": _describe, "abort": _abort, "find-hanging": _find_hanging}
    async with admin_of(args) as admin:
        await verbs[args.verb](admin, args)
    return 0


def _check_abort(args: Namespace) -> None:
    has_place = args.partition is not None and args.start_offset is not None
    if args.topic is not None and not has_place:
        raise WrongUsage("--topic takes --partition and --start-offset, too")
    if args.topic is None and (args.start_offset is not None or args.force):
        raise WrongUsage("--start-offset and --force go with --topic")


async def _list(admin: Admin, args: Namespace) -> None:
    listed = await admin.list_transactions(
        args.state,
        producer_ids=args.producer_id or (),
        duration_ms=args.duration_filter,
        pattern=args.transactional_id_pattern,
    )
    rows = [(e.transactional_id, e.coordinator, e.producer_id, e.state) for e in listed]
    if args.json:
        names = ("transactional_id", "coordinator", "producer_id", "state")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
    elif rows:
        print(table(LIST_HEADS, rows))


async def _describe(admin: Admin, args: Namespace) -> None:
    if args.topic is not None:
        places = await _places(admin, args.topic, args.partition)
        _show_producers(await admin.describe_producers(places), args)
        return
    described = [*(await admin.describe_transactions(args.transactional_id)).values()]
    if args.json:
        print(json.dumps([_document(each) for each in described]))
    else:
        print(table(DESCRIBE_HEADS, [_row(each) for each in described]))


async def _abort(admin: Admin, args: Namespace) -> None:
    if args.transactional_id is not None:
        name = args.transactional_id
        await terminate(admin, name)
        document: dict[str, object] = {"transactional_id": name}
        said = f"aborted the transaction of {name}, and fenced its producer"
    else:
        place = TopicPartition(args.topic, args.partition)
        await _places(admin, *place)  # which says it if there is no such partition
        await abort_here(admin, place, args.start_offset, even_if_known=args.force)
        document = {**place._asdict(), "start_offset": args.start_offset}
        said = f"aborted in {args.topic}-{args.partition} what began at offset {args.start_offset}"
    print(json.dumps({"aborted": document}) if args.json else said)


async def _find_hanging(admin: Admin, args: Namespace) -> None:
    places = await _places(admin, args.topic, args.partition, args.broker_id)
    limit_ms = args.max_transaction_timeout * MINUTE_MS
    found = await admin.find_hanging_transactions(places, max_transaction_timeout_ms=limit_ms)
    if args.json:
        print(json.dumps([_hanging_document(each) for each in found]))
        return
    if not found:
        print(f"nothing hangs in the {len(places)} partitions looked at", file=sys.stderr)
        return
    print(table(HANGING_HEADS, [_hanging_row(each) for each in found]))
    topic, partition = found[0].partition
    offset = found[0].producer.transaction_start_offset
    print(
        f"end one with: minibroker transactions abort --topic {topic} --partition {partition} "
        f"--start-offset {offset}",
        file=sys.stderr,
    )


async def _places(
    admin: Admin, topic: str | None, partition: int | None = None, broker_id: int | None = None
) -> list[TopicPartition]:
    """The partitions that are meant, in order; those without a leader are left out, and named."""
    topics = await admin.describe_topics(None if topic is None else [topic])
    leaders = {
        TopicPartition(name, each.partition): each.leader
        for name, described in sorted(topics.items())
        for each in described.partitions
    }
    if topic is not None and partition is not None:
        place = TopicPartition(topic, partition)
        if place not in leaders:
            raise CommandFailed(
                f"--partition: {topic} has {len(leaders)} partitions, {partition} is none of them"
            )
        leaders = {place: leaders[place]}
    else:
        leaderless = [place for place, leader in leaders.items() if leader < 0]
        if leaderless:
            names = places_cell(leaderless)
            print(f"without a leader, and not looked at: {visible(names)}", file=sys.stderr)
        leaders = {place: leader for place, leader in leaders.items() if leader >= 0}
    if broker_id is not None and broker_id not in leaders.values():
        raise CommandFailed(f"--broker-id: broker {broker_id} leads none of these partitions")
    return [place for place, leader in leaders.items() if broker_id in (None, leader)]


def _row(each: TransactionDescription) -> Sequence[object]:
    is_open = each.state not in OVER
    return (
        *(each.transactional_id, each.coordinator, each.producer_id, each.producer_epoch),
        *(each.state, each.timeout_ms, _time(each.start_time_ms)),
        max(0, round(time.time() * 1000) - each.start_time_ms) if is_open else None,
        places_cell(each.partitions),
    )


def _document(each: TransactionDescription) -> dict[str, object]:
    return {
        "transactional_id": each.transactional_id,
        "coordinator": each.coordinator,
        "producer_id": each.producer_id,
        "producer_epoch": each.producer_epoch,
        "state": each.state,
        "timeout_ms": each.timeout_ms,
        "start_time_ms": _known(each.start_time_ms),
        "partitions": [[*place] for place in sorted(each.partitions)],
    }


def _show_producers(
    producers: Mapping[TopicPartition, Sequence[ProducerDescription]], args: Namespace
) -> None:
    found = [(place, each) for place, known in sorted(producers.items()) for each in known]
    if args.json:
        print(json.dumps([_producer_document(*each) for each in found]))
        return
    rows = [
        (
            *(*place, each.producer_id, each.producer_epoch, _known(each.last_sequence)),
            *(_time(each.last_timestamp), _known(each.coordinator_epoch)),
            _known(each.transaction_start_offset),
        )
        for place, each in found
    ]
    if rows:
        print(table(PRODUCER_HEADS, rows))
    else:
        print("no producer with an id has written there lately", file=sys.stderr)


def _producer_document(place: TopicPartition, each: ProducerDescription) -> dict[str, object]:
    return {
        **place._asdict(),
        "producer_id": each.producer_id,
        "producer_epoch": each.producer_epoch,
        "last_sequence": _known(each.last_sequence),
        "last_timestamp": each.last_timestamp,
        "coordinator_epoch": _known(each.coordinator_epoch),
        "transaction_start_offset": _known(each.transaction_start_offset),
    }


def _hanging_row(each: HangingTransaction) -> Sequence[object]:
    producer = each.producer
    age_ms = time.time() * 1000 - producer.last_timestamp
    return (
        *(*each.partition, producer.producer_id, producer.producer_epoch),
        *(_known(producer.coordinator_epoch), producer.transaction_start_offset),
        *(_time(producer.last_timestamp), max(0, int(age_ms / MINUTE_MS))),
    )


def _hanging_document(each: HangingTransaction) -> dict[str, object]:
    return _producer_document(each.partition, each.producer)


def _known(number: int) -> int | None:
    """What is not known, or not there, travels as -1."""
    return None if number < 0 else number


def _time(at_ms: int) -> str | None:
    """To the second, in UTC; as it came where it is no time."""
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return str(at_ms)
    return None if at_ms < 0 else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
