"""What a benchmark run measured, and the tables that show it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.bench.raw_client import Case


class Rates:
    """What each server reached in each round: a rate, and a median latency where it was taken."""

    def __init__(self) -> None:
        self._rates: dict[str, list[float]] = {}
        self._p50_ms: dict[str, list[float]] = {}

    def add(self, server: str, per_s: float, p50_ms: float) -> None:
        """Note one round."""
        self._rates.setdefault(server, []).append(per_s)
        self._p50_ms.setdefault(server, []).append(p50_ms)

    def has(self, server: str) -> bool:
        """Whether a server was measured."""
        return server in self._rates

    def median(self, server: str) -> float:
        """Per second."""
        return statistics.median(self._rates[server])

    def p50_ms(self, server: str) -> float:
        """The median over rounds of a round's median latency."""
        return statistics.median(self._p50_ms[server])

    def ratios(self, server: str, beside: str) -> list[float]:
        """Round by round."""
        pairs = zip(self._rates[server], self._rates[beside], strict=True)
        return [mine / theirs for mine, theirs in pairs]


def ratio(rates: Rates) -> float:
    """Ours to Kafka's, the median over rounds."""
    return statistics.median(rates.ratios("ours", "Kafka"))


def show_raw(console: Console, title: str, measured: Mapping[Case, Rates]) -> None:
    """A table of raw loads, with the echo server as the limit of asyncio."""
    table = _table(title, "load", "of echo")
    for case, rates in measured.items():
        of_echo = statistics.median(rates.ratios("ours", "echo"))
        table.add_row(
            case.name,
            _shown(case, rates, "ours"),
            _shown(case, rates, "Kafka"),
            *_ratio_columns(rates),
            f"{of_echo:.2f}",
        )
    console.print(table)


def show_clients(console: Console, measured: Mapping[str, Rates]) -> None:
    """A table of real clients."""
    table = _table("idempotent producers, 100 B records", "client")
    for name, rates in measured.items():
        kafka = f"{rates.median('Kafka'):,.0f}/s" if rates.has("Kafka") else "-"
        ours = f"{rates.median('ours'):,.0f}/s"
        table.add_row(name, ours, kafka, *_ratio_columns(rates))
    console.print(table)


def _table(title: str, first: str, *more: str) -> Table:
    table = Table(title=title)
    table.add_column(first)
    for column in ("ours", "Kafka", "ratio", "min-max", *more):
        table.add_column(column, justify="right")
    return table


def _ratio_columns(rates: Rates) -> tuple[str, str]:
    if not rates.has("Kafka"):
        return "-", "-"
    ratios = rates.ratios("ours", "Kafka")
    return f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}-{max(ratios):.2f}"


def _shown(case: Case, rates: Rates, server: str) -> str:
    if not rates.has(server):
        return "-"
    per_s = rates.median(server)
    if case.in_flight == 1:
        return f"{per_s:,.0f}/s, p50 {rates.p50_ms(server):.3f} ms"
    if case.batch_bytes > 1000:
        return f"{per_s * case.batch_bytes / 1e6:,.0f} MB/s"
    return f"{per_s:,.0f}/s"
