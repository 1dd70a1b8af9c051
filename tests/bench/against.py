"""`--against`: this build beside an earlier one and beside itself, in alternating rounds.

The second process of this build is the measure of chance: a row counts as slower only where its
median falls below SLOWER and below what the two equal ones show in their worst quarter of rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.bench.loads import Load
from tests.bench.tables import Figure, Rounds, cpu_shown, per_cpu_s, per_s, rate_shown, ratio_shown

SLOWER = 0.95
FIGURES: dict[str, Figure] = {"CPU": per_cpu_s, "rate": per_s}


def show_against(console: Console, title: str, measured: Mapping[str, Rounds]) -> list[str]:
    """A table; returns one line for each row and figure that is slower than before."""
    table = Table(title=f"{title}; ratios above 1: better than before")
    table.add_column("load")
    for column in ("CPU µs before", "now", "ratio", "min-max", "A/A min-max"):
        table.add_column(column, justify="right")
    for column in ("before", "now", "ratio", "min-max", "A/A min-max"):
        table.add_column(column, justify="right")
    slower = []
    for name, rounds in measured.items():
        cells = [cpu_shown(rounds, "before"), cpu_shown(rounds, "ours")]
        cells += [*ratio_shown(rounds, "ours", "before", per_cpu_s)]
        cells += [ratio_shown(rounds, "again", "ours", per_cpu_s)[1]]
        cells += [rate_shown(rounds, "before"), rate_shown(rounds, "ours")]
        cells += [*ratio_shown(rounds, "ours", "before"), ratio_shown(rounds, "again", "ours")[1]]
        table.add_row(name, *cells)
        for figure_name, figure in FIGURES.items():
            if (found := slower_by(rounds, figure)) is not None:
                slower.append(f"{title}: {name}: {figure_name} {found:.3f} of before")
    console.print(table)
    return slower


def named(measured: Mapping[Load, Rounds]) -> dict[str, Rounds]:
    """By the name of the load."""
    return {load.name: rounds for load, rounds in measured.items()}


def slower_by(rounds: Rounds, figure: Figure) -> float | None:
    """The median ratio to before where it is below SLOWER and chance does not explain it."""
    to_before = rounds.ratios("ours", "before", figure)
    if not to_before:
        return None
    found = statistics.median(to_before)
    # Which of two equal ones is called the first is chance, too: both directions count.
    equal = rounds.ratios("ours", "again", figure) + rounds.ratios("again", "ours", figure)
    chance = sorted(equal)[len(equal) // 4]
    return found if found < min(SLOWER, chance) else None
