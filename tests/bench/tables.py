"""What a benchmark run measured, and the tables that show it.

A ratio is always above 1 where the first is better: rates are divided one way, processor time for
each request the other way.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table

from tests.bench.generator import Measured
from tests.bench.loads import Load

Figure = Callable[[Measured], float]
HELD_BACK = 0.5  # of what the generator reaches against nobody: from here on it says so


def per_s(measured: Measured) -> float:
    """More is better."""
    return measured.per_s


def per_cpu_s(measured: Measured) -> float:
    """Requests that a second of the broker's processor time is enough for: more is better."""
    return 1e6 / measured.cpu_us if measured.cpu_us else 0.0


class Rounds:
    """What each server came to in each round of one load."""

    def __init__(self) -> None:
        self._measured: dict[str, list[Measured]] = {}

    def add(self, server: str, measured: Measured) -> None:
        """Note one round."""
        self._measured.setdefault(server, []).append(measured)

    def has(self, server: str) -> bool:
        """Whether a server was measured."""
        return server in self._measured

    def median(self, server: str, figure: Callable[[Measured], float] = per_s) -> float:
        """Over the rounds."""
        return statistics.median(map(figure, self._measured[server]))

    def ratios(self, server: str, beside: str, figure: Figure = per_s) -> list[float]:
        """Round by round."""
        pairs = zip(self._measured[server], self._measured[beside], strict=True)
        return [figure(mine) / figure(theirs) for mine, theirs in pairs if figure(theirs)]


def ratio(rounds: Rounds) -> float:
    """Ours to Kafka's, the median over rounds."""
    return statistics.median(rounds.ratios("ours", "Kafka"))


def show_requests(console: Console, title: str, measured: Mapping[Load, Rounds]) -> None:
    """A table of loads of the generator, with its own limit."""
    table = _table(title, "load", "CPU µs", "Kafka's", "ours", "Kafka", "of the limit")
    for load, rounds in measured.items():
        of_limit = statistics.median(rounds.ratios("ours", "limit"))
        table.add_row(
            load.name,
            cpu_shown(rounds, "ours"),
            cpu_shown(rounds, "Kafka"),
            rate_shown(rounds, "ours", load),
            rate_shown(rounds, "Kafka", load),
            f"{of_limit:.2f}" + (" held back" if of_limit >= HELD_BACK else ""),
            *ratio_shown(rounds, "ours", "Kafka"),
        )
    console.print(table)


def show_clients(console: Console, title: str, measured: Mapping[str, Rounds]) -> None:
    """A table of real clients."""
    table = _table(title, "client", "CPU µs a record", "Kafka's", "ours", "Kafka")
    for name, rounds in measured.items():
        shown = [cpu_shown(rounds, each) for each in ("ours", "Kafka")]
        shown += [rate_shown(rounds, each) for each in ("ours", "Kafka")]
        table.add_row(name, *shown, *ratio_shown(rounds, "ours", "Kafka"))
    console.print(table)


def cpu_shown(rounds: Rounds, server: str) -> str:
    """The broker's processor time for one request."""
    if not rounds.has(server):
        return "-"
    return f"{rounds.median(server, lambda each: each.cpu_us):,.1f}"


def rate_shown(rounds: Rounds, server: str, load: Load | None = None) -> str:
    """What it reaches, in the unit that says most."""
    if not rounds.has(server):
        return "-"
    rate = rounds.median(server)
    if load is not None and load.payload_bytes:
        return f"{rate * load.payload_bytes / 1e6:,.0f} MB/s"
    if load is not None and load.in_flight == 1:
        return f"{rate:,.0f}/s, p50 {rounds.median(server, lambda each: each.p50_ms):.3f} ms"
    return f"{rate:,.0f}/s"


def ratio_shown(
    rounds: Rounds, server: str, beside: str, figure: Figure = per_s
) -> tuple[str, str]:
    """Median, and smallest to largest."""
    if not (rounds.has(server) and rounds.has(beside)):
        return "-", "-"
    ratios = rounds.ratios(server, beside, figure)
    if not ratios:
        return "-", "-"
    return f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}-{max(ratios):.2f}"


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title)
    table.add_column(first)
    for column in (*columns, "ratio", "min-max"):
        table.add_column(column, justify="right")
    return table
