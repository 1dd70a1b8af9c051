"""EDGE: `minibroker session show|settle DIR`: what a durable session holds, and what became of it.

`show` reads the journal and changes nothing, whoever has it. `settle` takes a directory that no
process has: what is on its way is looked for in the topics, and sent where it is missing; of what
nobody can know the reason is told, and --stored or --not-stored decides.
Tests: tests/system/commands/test_session_command.py
"""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence

from ...client.errors import DeliveryTimeout
from ...client.producer import Producer
from ...client.session.entries import RefusedBatch
from ...client.session.journal import look
from ...client.session.journal_state import JournalState
from ...client.session.leaving.register import id_of
from ...client.session.open_batch import OpenBatch
from ...client.session.outcomes import Unsettled
from ...client.session.session import Session
from ...protocol.batch.reading import records_in
from ...protocol.errors import error_code
from ..asking.reach import Reach
from ..terminal.addresses import add_bootstrap_server
from ..terminal.counts import parse_count, parse_whole
from ..terminal.running import CommandFailed, WrongUsage, running
from ..terminal.tables import table
from ..terminal.visible import visible

SUMMARY = "show what a durable session holds, settle what is on its way"
EXAMPLES = (
    "session show orders.session",
    "session show orders.session --json",
    "session settle orders.session",
    "session settle orders.session --stored 17 --not-stored 18",
)
TIMEOUT_MS = 60_000
LOOK_MS = 200
BATCH_HEADS = (
    *("BATCH", "TOPIC", "PARTITION", "RECORDS", "PRODUCER-ID", "EPOCH", "SEQUENCE", "STATE"),
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    show = commands.add_parser("show", help="marks, and what is open or refused; asks no broker")
    settle = commands.add_parser(
        "settle", help="look for what is open, send what is missing, say of what nobody knows"
    )
    add_bootstrap_server(settle)
    for option, meaning in (
        ("--stored", "this unsettled batch is stored: forget it; repeatable"),
        ("--not-stored", "this unsettled batch is not stored: send it; repeatable"),
    ):
        settle.add_argument(
            option, type=parse_whole, action="append", default=[], metavar="BATCH", help=meaning
        )
    settle.add_argument(
        "--take-refused",
        action="store_true",
        help="forget the refused batches, once they are shown (with --json: their records)",
    )
    settle.add_argument(
        "--timeout-ms",
        type=parse_count,
        default=TIMEOUT_MS,
        metavar="MS",
        help="how long to try (default %(default)s)",
    )
    for command in (show, settle):
        command.add_argument("directory", metavar="DIR", help="the session's directory")
        command.add_argument("--json", action="store_true", help="print JSON")


def run(args: Namespace) -> int:
    """Show or settle; 1 if something is left that needs a hand."""
    work = _show if args.verb == "show" else _settle
    return running(f"session {args.verb}", lambda: work(args))


async def _show(args: Namespace) -> int:
    state, holder = _looked(args.directory)
    _print(args, state, (), holder)
    return 0


async def _settle(args: Namespace) -> int:
    both = {*args.stored} & {*args.not_stored}
    if both:
        raise WrongUsage(f"batch {min(both)} cannot be both stored and not stored")
    state, _ = _looked(args.directory)  # a directory that is none is not made
    reach = Reach(args)
    async with Producer(
        reach.servers,
        **reach.security,
        session=args.directory,
        transactional_id=id_of(state),
        max_block_ms=args.timeout_ms,
        delivery_timeout_ms=max(args.timeout_ms, 120_000),
    ) as producer:
        session = producer.session
        await _until_settled(args, producer)
        decided = dict.fromkeys(args.stored, True)
        decided |= dict.fromkeys(args.not_stored, False)
        if decided:
            await _decide(session, decided)
            await _until_settled(args, producer)
        unsettled = session.unsettled
        state, _ = _looked(args.directory)
        _print(args, state, unsettled, "")
        if args.take_refused:
            await session.take_refused()
        await producer.stop(0)  # nothing was sent, and what is open is known to be so
    return int(bool(state.open or (state.refused and not args.take_refused)))


async def _until_settled(args: Namespace, producer: Producer) -> None:
    """Wait until all that can be known is, or for --timeout-ms."""
    try:
        async with asyncio.timeout(args.timeout_ms / 1000):
            while _pending(args.directory, producer.session):
                try:
                    await producer.flush(LOOK_MS)
                except DeliveryTimeout:
                    continue
                await asyncio.sleep(LOOK_MS / 1000)  # confirmations are written a moment later
    except TimeoutError:
        return


def _pending(directory: str, session: Session) -> bool:
    """Whether there is a batch that is open, and behind none that somebody has to decide."""
    held = {(each.batch.topic, each.batch.partition) for each in session.unsettled}
    state, _ = _looked(directory)
    return any((each.topic, each.partition) not in held for each in state.open.values())


async def _decide(session: Session, decided: dict[int, bool]) -> None:
    by_number = {each.batch.number: each for each in session.unsettled}
    for number, is_stored in decided.items():
        if number not in by_number:
            known = ", ".join(map(str, sorted(by_number))) or "none is"
            raise CommandFailed(f"batch {number} is not unsettled: {known}")
        await session.settle(by_number[number], stored=is_stored)


def _looked(directory: str) -> tuple[JournalState, str]:
    """What is in the journal, and who has it. Raises CommandFailed, JournalDamaged."""
    try:
        recovered, holder = look(directory)
    except OSError as error:
        raise CommandFailed(f"{directory}: {error.strerror}") from None
    return recovered.state, holder


def _print(
    args: Namespace, state: JournalState, unsettled: Sequence[Unsettled], holder: str
) -> None:
    whys = {each.batch.number: each for each in unsettled}
    if args.json:
        print(json.dumps(_plain(args.directory, state, whys, holder), indent=2))
        return
    if holder:
        print(f"in use by {holder}: what follows is how it was a moment ago")
    marks = [("-" if source is None else source, _text(at)) for source, at in state.marks.items()]
    print(table(("SOURCE", "POSITION"), marks) if marks else "no marks")
    rows = [(*_row(each), _state(each.number, state, whys)) for each in state.open.values()]
    rows += [(*_row(each.batch), "refused") for each in state.refused.values()]
    print("\n" + (table(BATCH_HEADS, rows) if rows else "nothing is open"))
    for number, text in _reasons(state, whys.values()):
        print(f"\nbatch {number}: {visible(text)}")


def _row(batch: OpenBatch) -> tuple[object, ...]:
    first, last = batch.base_sequence, batch.last_sequence
    return (
        *(batch.number, batch.topic, batch.partition, batch.count, batch.producer_id),
        *(batch.producer_epoch, first if first == last else f"{first}…{last}"),
    )


def _state(number: int, state: JournalState, whys: dict[int, Unsettled]) -> str:
    if number in whys:
        return "unsettled"
    return "open, said to be absent" if number in state.absent else "open"


def _reasons(state: JournalState, unsettled: Iterable[Unsettled]) -> list[tuple[int, str]]:
    said = [(each.batch.number, f"{each.reason}: {each.text}") for each in unsettled]
    refused = [(each.batch.number, _why_refused(each)) for each in state.refused.values()]
    return said + refused


def _why_refused(refused: RefusedBatch) -> str:
    return f"{error_code(refused.code).name}: {refused.message}"


def _plain(
    directory: str, state: JournalState, whys: dict[int, Unsettled], holder: str
) -> dict[str, object]:
    reasons = dict(_reasons(state, whys.values()))
    return {
        "directory": directory,
        "in_use_by": holder or None,
        "marks": [
            {"source": source, "position": at if isinstance(at, int) else _text(at)}
            for source, at in state.marks.items()
        ],
        "open": [
            _plain_batch(each)
            | {"state": _state(each.number, state, whys)}
            | ({"reason": reasons[each.number]} if each.number in reasons else {})
            for each in state.open.values()
        ],
        "refused": [
            _plain_batch(each.batch)
            | {"reason": reasons[each.batch.number], "records": _records(each.batch)}
            for each in state.refused.values()
        ],
    }


def _plain_batch(batch: OpenBatch) -> dict[str, object]:
    return {
        "batch": batch.number,
        "topic": batch.topic,
        "partition": batch.partition,
        "count": batch.count,
        "producer_id": batch.producer_id,
        "producer_epoch": batch.producer_epoch,
        "base_sequence": batch.base_sequence,
    }


def _records(batch: OpenBatch) -> list[dict[str, str | None]]:
    return [
        {"key": _readable(each.key), "value": _readable(each.value)}
        for each in records_in(batch.wire)
    ]


def _readable(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="backslashreplace")


def _text(position: int | str | bytes) -> str:
    if isinstance(position, bytes):
        return position.decode(errors="backslashreplace")
    return str(position)
