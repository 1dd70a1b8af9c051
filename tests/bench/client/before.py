"""EDGE: `make bench-client ARGS='--against DIR'`: our client now beside that of another checkout.

Every load of ours runs in a process of its own: before, now, and now once more (what two measures
of the same code differ by), alternating in each round. Read the ratios: now to before, and now to
itself. Rates want at least 0.95 of before, waits at most 1/0.95 of it. Imports likewise.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from tests.bench.client.loads import LOADS, Figures
from tests.bench.loads import TOPIC
from tests.bench.servers import ROOT, Server

LOAD_TIMEOUT_S = 300
IMPORT_ROUNDS = 9
WANTED = 0.95
OURS = tuple(load for client, load in LOADS if client == "ours")
IMPORTS = tuple(
    f"from minibroker.client import {name}" for name in ("Producer", "Consumer", "Admin")
)


class Sides:
    """What is compared: the Python of each environment, in the order of each round."""

    def __init__(self, before: Path, now: Path) -> None:
        self.pythons = {"before": before / "python", "now": now / "python", "again": now / "python"}

    def load(self, side: str, load: str, server: Server, size: int) -> Figures:
        """One load of ours, in a process of its own."""
        address = f"{server.host}:{server.port}"
        arguments = ["-m", "tests.bench.client.loads", "ours", load, address, TOPIC, str(size)]
        figures: Figures = json.loads(self._said(side, arguments))
        return figures

    def import_s(self, side: str, statement: str) -> float:
        """How long one import takes."""
        program = (
            "import time; began = time.perf_counter()\n"
            f"{statement}\nprint(time.perf_counter() - began)"
        )
        return float(self._said(side, ["-c", program]))

    def _said(self, side: str, arguments: Sequence[str]) -> str:
        done = subprocess.run(
            [self.pythons[side], *arguments],
            capture_output=True,
            text=True,
            timeout=LOAD_TIMEOUT_S,
            cwd=ROOT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{side}: {arguments}: {done.stderr[-2000:]}")
        return done.stdout.splitlines()[-1]


def table_of(title: str, rows: Iterator[tuple[str, dict[str, list[float]]]]) -> Table:
    """Ratios of rates, or of what takes time, where they are turned: more is better."""
    table = Table(title=title)
    for column in ("load", "now / before", "min-max", "now / itself", "min-max", "wanted"):
        table.add_column(column, justify="left" if column == "load" else "right")
    for name, measured in rows:
        shown = []
        for over in ("before", "again"):
            pairs = zip(measured["now"], measured[over], strict=True)
            ratios = [now / other for now, other in pairs]
            shown += [f"{statistics.median(ratios):.3f}", f"{min(ratios):.2f}-{max(ratios):.2f}"]
        table.add_row(name, *shown, f">= {WANTED}")
    return table


def loads(
    sides: Sides, server: Server, size: int, rounds: int
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Every load of ours: its rate, or one over its median wait, by side."""
    for load in OURS:
        measured: dict[str, list[float]] = {side: [] for side in sides.pythons}
        for _ in range(rounds):
            for side, found in measured.items():
                figures = sides.load(side, load, server, size)
                found.append(figures["rate"] if "rate" in figures else 1 / figures["p50"])
        yield load, measured


def imports(sides: Sides) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """One over the time each import takes, by side."""
    for statement in IMPORTS:
        measured: dict[str, list[float]] = {side: [] for side in sides.pythons}
        for _ in range(IMPORT_ROUNDS):
            for side, found in measured.items():
                found.append(1 / sides.import_s(side, statement))
        yield statement, measured
