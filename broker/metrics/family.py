"""A family of metrics: its name, what it means, which labels it has, and when to be alarmed.

docs/monitoring.md is written from these, and Prometheus gets the meaning as HELP. Names that begin
with kafka_ are not ours: they are what kafka_exporter and the JMX exporter call the same thing, so
that dashboards and alerts made for these work here.
Tests: tests/unit/broker/metrics/test_monitoring_page.py
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ..figures import Histogram


class Kind(Enum):
    """What Prometheus may do with it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    Args:
        name: in full; that of a counter ends in _total.
        meaning: one sentence without a full stop.
        labels: that its samples have, or some of them.
        alert: an expression of PromQL that is worth to be told of when it holds; "" for none.
        because: what is wrong then.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    alert: str = ""
    because: str = ""

    def __post_init__(self) -> None:
        assert (self.kind is Kind.COUNTER) == self.name.endswith("_total"), self.name


class Sample(NamedTuple):
    """One value of a family.

    Args:
        labels: values, in the order of the family's labels; fewer where the last are left out.
    """

    labels: tuple[str, ...]
    value: float


class Distribution(NamedTuple):
    """One histogram of a family."""

    labels: tuple[str, ...]
    histogram: Histogram


class Quantiles(NamedTuple):
    """One summary of a family.

    Args:
        values: by quantile, as it is written: "0.99".
        measured: how many measurements there were, ever.
        total: their sum.
    """

    labels: tuple[str, ...]
    values: tuple[tuple[str, float], ...]
    measured: int
    total: float


Told = Sample | Distribution | Quantiles
Series = tuple[Family, Iterable[Told]]
"""A family and all that there is to tell of it."""


def counter(name: str, meaning: str, *labels: str, alert: str = "", because: str = "") -> Family:
    """A number that only grows while the broker runs."""
    return Family(name, Kind.COUNTER, meaning, labels, alert, because)


def gauge(name: str, meaning: str, *labels: str, alert: str = "", because: str = "") -> Family:
    """A number as it is now."""
    return Family(name, Kind.GAUGE, meaning, labels, alert, because)
