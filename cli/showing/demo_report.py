"""What the demo shows: both logs side by side, the counts, and whether the promise holds.

Facts in, text out: commands/demo.py gathers the facts. Everything is said in words as well as in
colour, and lines are cut at the window's edge, so that it reads the same in a narrow terminal or a
file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...testing.stored import Stored


@dataclass(frozen=True, slots=True)
class Run:
    """One half of the demo.

    Attributes:
        lines: what the producer was given, in order; no two are equal.
        stored: what the log holds afterwards, in order of offset.
        lost: acknowledgements that the proxy has dropped.
        sent: Produce requests that came by, retries included.
        killed_at_loss: after how many lost acknowledgements the broker was killed; None: never.
    """

    lines: Sequence[str]
    stored: Sequence[Stored]
    lost: int
    sent: int
    killed_at_loss: int | None

    @property
    def values(self) -> list[str]:
        """The text of every stored record."""
        return [(stored.value or b"").decode() for stored in self.stored]

    @property
    def duplicates(self) -> int:
        """Stored records whose line was stored before."""
        return len(self.stored) - len(set(self.values))

    @property
    def missing(self) -> int:
        """Lines that were never stored."""
        return len(set(self.lines) - set(self.values))

    @property
    def is_exact(self) -> bool:
        """Every line once, in order, and nothing else."""
        return self.values == list(self.lines)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Whether the demo showed what it should, and in which words."""

    holds: bool
    text: str


def conclusion(runs: tuple[Run, Run]) -> Conclusion:
    """Judge (run without idempotence, run with it)."""
    plain, exact = runs
    if not exact.is_exact:
        return Conclusion(False, "FAILED: the idempotent log is not every line once and in order.")
    if not plain.duplicates:
        return Conclusion(False, "FAILED: the log without idempotence shows no duplicates.")
    return Conclusion(
        True,
        f"Without idempotence {plain.lost} lost acknowledgements left {plain.duplicates} "
        f"duplicates; with it {exact.lost} lost acknowledgements and a kill -9 of the broker "
        "left every line exactly once and in order.",
    )


def show(runs: tuple[Run, Run], client: str, console: Console | None = None) -> None:
    """Print the report."""
    console = console or Console(highlight=False)
    outcome = conclusion(runs)
    console.print(_logs(runs))
    console.print(_counts(runs, client))
    console.print(Text(outcome.text, style="bold green" if outcome.holds else "bold red"))


def _logs(runs: tuple[Run, Run]) -> Table:
    table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("idempotence off", "idempotence on"):
        table.add_column("offset", justify="right", no_wrap=True, min_width=6)
        table.add_column(title, ratio=1, no_wrap=True, overflow="ellipsis")
    left, right = (list(_marked(run)) for run in runs)
    for left_row, right_row in _aligned(left, right):
        table.add_row(*left_row, *right_row)
    return table


def _marked(run: Run) -> Iterator[tuple[str, Text]]:
    """(offset, line) of every stored record; duplicates say so."""
    seen: set[str] = set()
    for stored, value in zip(run.stored, run.values, strict=True):
        line = Text(value)
        if value in seen:
            line = Text(f"DUPLICATE {value}", style="bold red")
        seen.add(value)
        yield str(stored.offset), line


def _aligned(
    left: list[tuple[str, Text]], right: list[tuple[str, Text]]
) -> Iterator[tuple[tuple[str, Text], tuple[str, Text]]]:
    """Pairs of rows, equal lines beside each other, with gaps where one log has more."""
    gap = ("", Text())
    left_lines, right_lines = ([line.plain for _, line in rows] for rows in (left, right))
    matcher = SequenceMatcher(None, left_lines, right_lines, autojunk=False)
    for _, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        height = max(left_to - left_from, right_to - right_from)
        for row in range(height):
            yield (
                left[left_from + row] if left_from + row < left_to else gap,
                right[right_from + row] if right_from + row < right_to else gap,
            )


def _counts(runs: tuple[Run, Run], client: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(f"{client}, enable_idempotence=")
    table.add_column("False", justify="right")
    table.add_column("True", justify="right")
    rows: dict[str, list[int] | list[str]] = {
        "lines to send": [len(run.lines) for run in runs],
        "acknowledgements lost": [run.lost for run in runs],
        "retries": [run.sent - len(run.lines) for run in runs],
        "broker killed (SIGKILL)": [
            "no" if run.killed_at_loss is None else f"at lost ack {run.killed_at_loss}"
            for run in runs
        ],
        "records stored": [len(run.stored) for run in runs],
        "duplicates": [run.duplicates for run in runs],
        "missing": [run.missing for run in runs],
    }
    for name, values in rows.items():
        table.add_row(name, *(str(value) for value in values))
    return table
