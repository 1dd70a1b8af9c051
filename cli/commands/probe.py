"""EDGE: `minibroker probe`: ask any broker what Apache Kafka was asked, and compare the answers.

The rows are in probing/rows.py, who plays them in probing/player.py. Here: the command, the
verdicts, and their two forms (a table for people, JSON for machines). Exit code 0 means that no
answer is "different"; 1 that one is, or that the broker could not be probed.
Tests: tests/system/commands/test_probe.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from ..asking.reach import Reach
from ..deviations import DEVIATIONS
from ..probing.player import Player, ProbeError
from ..probing.rows import SECTIONS
from ..probing.steps import CODE_NAMES, Row
from ..terminal.addresses import add_bootstrap_server, server_names
from ..terminal.running import running

if TYPE_CHECKING:
    from rich.table import Table

    from ...client.security.security import Security

SUMMARY = "compare a broker's answers with Apache Kafka's, row by row"
EXAMPLES = (
    "probe --bootstrap-server 127.0.0.1:9092",
    "probe --bootstrap-server kafka:9092 --json > answers.json",
)
PROBE_TIMEOUT_S = 180
SAME, ON_PURPOSE, DIFFERENT = "same", "different on purpose", "different"
COLUMNS = 100  # where the output is no terminal
ANSWER_COLUMNS = 23  # six answers of a refused or early batch
WORDS = (
    "One word for each request: an error code; @ the base offset; / the producer epoch; end= the "
    "log end offset; stable= the last stable offset; read= how many records read_committed sees."
)


class Outcome(NamedTuple):
    """A row as this broker answered it."""

    section: str
    row: Row
    answer: str
    verdict: str

    @property
    def reason(self) -> str | None:
        """Why it differs on purpose, where it does."""
        if self.verdict != ON_PURPOSE or self.row.deviation is None:
            return None
        return DEVIATIONS[self.row.deviation].reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    add_bootstrap_server(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")


def run(args: argparse.Namespace) -> int:
    """Probe, print, and return the exit code."""
    return running("probe", lambda: _probe(args))


async def _probe(args: argparse.Namespace) -> int:
    reach = Reach(args)
    address = reach.addresses[0]  # one broker is judged, whatever others there are
    outcomes = await probe(address, reach.of_connections())
    (broker,) = server_names([address])
    if args.json:
        print(json.dumps(as_json(broker, outcomes), indent=2))
    else:
        print_tables(broker, outcomes)
    return int(any(outcome.verdict == DIFFERENT for outcome in outcomes))


async def probe(address: tuple[str, int], security: Security | None = None) -> list[Outcome]:
    """Play every row against the broker at this address, on topics that are deleted afterwards.

    Raises:
        ConnectionFailed, RequestTimedOut, UnsupportedApi: the broker cannot be asked.
        ProbeError: it refuses what the probe needs, or is too slow.
    """
    rows = [(section, row) for section, rows in SECTIONS.items() for row in rows]
    player = Player(address, len(rows), security)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S) as bound:
            await player.prepare()
            return [
                judge(section, row, await player.play(index, row))
                for index, (section, row) in enumerate(rows)
            ]
    except TimeoutError:
        if not bound.expired():
            raise  # one request, whose error names it
        raise ProbeError(f"gave up after {PROBE_TIMEOUT_S} s") from None
    finally:
        await player.leave()


def judge(section: str, row: Row, answer: str) -> Outcome:
    """Compare an answer with Kafka's and, where ours differs on purpose, with ours."""
    if answer == row.kafka:
        return Outcome(section, row, answer, SAME)
    return Outcome(section, row, answer, ON_PURPOSE if answer == row.ours else DIFFERENT)


def as_json(broker: str, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The outcome as a JSON document: the counts of each verdict, then the rows in order."""
    rows = [
        {
            "section": outcome.section,
            "sent": outcome.row.sent,
            "kafka": outcome.row.kafka,
            "answer": outcome.answer,
            "verdict": outcome.verdict,
            "reason": outcome.reason,
        }
        for outcome in outcomes
    ]
    return {"broker": broker, "counts": _counts(outcomes), "rows": rows}


def print_tables(broker: str, outcomes: Sequence[Outcome]) -> None:
    """Print a table for each section, the reasons, what the codes mean, and the counts."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = COLUMNS
    for section in SECTIONS:
        console.print(_table(section, [each for each in outcomes if each.section == section]))
    console.print(WORDS)
    console.print(_codes_table(outcomes))
    console.print(_reasons_table(outcomes))
    counts = ", ".join(f"{count} {verdict}" for verdict, count in _counts(outcomes).items())
    console.print(f"{broker}: {counts}", style="bold")


def _table(section: str, outcomes: Sequence[Outcome]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=section, title_justify="left", box=box.SIMPLE_HEAD, expand=True)
    table.add_column("sent", ratio=1)
    table.add_column("Apache Kafka", width=ANSWER_COLUMNS)
    table.add_column("this broker", width=ANSWER_COLUMNS)
    table.add_column("verdict", width=len("on purpose"))
    colours = {SAME: "green", ON_PURPOSE: "yellow", DIFFERENT: "bold red"}
    for outcome in outcomes:
        verdict = Text(outcome.verdict, style=colours[outcome.verdict])
        table.add_row(Text(outcome.row.sent), outcome.row.kafka, Text(outcome.answer), verdict)
    return table


def _reasons_table(outcomes: Sequence[Outcome]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for outcome in outcomes:
        if outcome.reason:
            table.add_row(outcome.row.sent, outcome.reason, style="yellow")
    return table


def _codes_table(outcomes: Sequence[Outcome]) -> Table:
    from rich.table import Table

    codes = sorted({code for outcome in outcomes for code in _codes(outcome)})
    table = Table.grid(padding=(0, 2))
    half = (len(codes) + 1) // 2
    for left, right in zip_longest(codes[:half], codes[half:]):
        pair = [code for code in (left, right) if code is not None]
        table.add_row(*(f"{code:>3} {CODE_NAMES.get(code, '(not in Kafka)')}" for code in pair))
    return table


def _codes(outcome: Outcome) -> Iterator[int]:
    for word in f"{outcome.row.kafka} {outcome.answer}".split():
        found = re.match(r"-?\d+", word)
        if found is not None:
            yield int(found[0])


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    verdicts = [outcome.verdict for outcome in outcomes]
    return {verdict: verdicts.count(verdict) for verdict in (SAME, ON_PURPOSE, DIFFERENT)}
