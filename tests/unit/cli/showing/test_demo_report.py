"""The demo's conclusion, and what its tables say in any width."""

from __future__ import annotations

import io

from minibroker.cli.showing.demo_report import Run, conclusion, show
from minibroker.testing.stored import Stored
from rich.console import Console

LINES = ["01 one", "02 two", "03 three"]


def run(*values: str, lost: int = 1, sent: int = 4, killed_at_loss: int | None = None) -> Run:
    stored = [
        Stored(
            partition=0,
            offset=offset,
            key=None,
            value=value.encode(),
            headers=(),
            timestamp=0,
            producer_id=-1,
            producer_epoch=-1,
            sequence=-1,
        )
        for offset, value in enumerate(values)
    ]
    return Run(lines=LINES, stored=stored, lost=lost, sent=sent, killed_at_loss=killed_at_loss)


DOUBLED = run("01 one", "02 two", "02 two", "03 three")
EXACT = run(*LINES, killed_at_loss=1)


def shown(width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show((DOUBLED, EXACT), "kafka-python", console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_duplicates_without_idempotence_and_none_with_it_hold() -> None:
    assert conclusion((DOUBLED, EXACT)).holds


def test_no_duplicates_without_idempotence_prove_nothing() -> None:
    assert not conclusion((EXACT, EXACT)).holds


def test_a_duplicate_with_idempotence_fails() -> None:
    assert not conclusion((DOUBLED, DOUBLED)).holds


def test_a_missing_line_with_idempotence_fails() -> None:
    exact = run("01 one", "03 three")
    assert not conclusion((DOUBLED, exact)).holds
    assert exact.missing == 1


def test_a_wrong_order_with_idempotence_fails() -> None:
    assert not conclusion((DOUBLED, run("02 two", "01 one", "03 three"))).holds


def test_equal_lines_stand_beside_each_other() -> None:
    rows = [line.split() for line in shown(80).splitlines()]
    assert ["1", "02", "two", "1", "02", "two"] in rows
    assert ["2", "DUPLICATE", "02", "two"] in rows
    assert ["3", "03", "three", "2", "03", "three"] in rows


def test_counts_are_shown() -> None:
    rows = [" ".join(line.split()) for line in shown(80).splitlines()]
    for row in ("acknowledgements lost 1 1", "retries 1 1", "duplicates 1 0", "missing 0 0"):
        assert row in rows


def test_a_narrow_window_cuts_lines_and_breaks_none() -> None:
    text = shown(40)
    assert max(map(len, text.splitlines())) <= 40
    assert "DUPLICATE" in text
    assert "\x1b" not in text
