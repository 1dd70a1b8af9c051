"""Requests: how many, how long they took, and what was refused.

Whoever answers a request only puts down what it took, at its route (protocol/connection.py); ten
times a second all of that goes into histograms, one for each version of an API. What a request
takes counts from when it is decoded to when its answer is made: with the flush or the bytes
it waited for, without the time in which it was read and its answer was sent.
Source: RequestMetrics of Kafka, kafka-2_0_0.yml of jmx_exporter.
Tests: tests/system/metrics/test_metrics.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from ...protocol.connection import Route
from ..figures import REQUEST_SECONDS, BrokerFigures, Histogram, merged
from .family import Distribution, Family, Kind, Quantiles, Sample, Series, counter
from .recent import Recent

_ALSO: Final = {"Fetch": "FetchConsumer"}  # Kafka tells them twice; nobody else fetches here

REQUESTS = counter(
    "kafka_network_requestmetrics_requests_total",
    "Requests answered, by API and version; a Fetch counts as FetchConsumer, too",
    *("request", "version"),
)
ERRORS = counter(
    "kafka_network_requestmetrics_errors_total",
    "Refusals by API and code: of whole requests, and for Produce of batches",
    *("request", "error"),
    alert='rate(kafka_network_requestmetrics_errors_total{error="UNKNOWN_SERVER_ERROR"}[5m]) > 0',
    because="the broker has a bug, and its log a traceback",
)
TOTAL_TIME = Family(
    "kafka_network_requestmetrics_totaltimems",
    Kind.SUMMARY,
    "What requests took, in ms; quantiles of the last five to ten minutes",
    ("request",),
)
SECONDS = Family(
    "minibroker_request_seconds",
    Kind.HISTOGRAM,
    "What requests took, in s; a Fetch may wait for bytes as long as its client allows",
    ("request",),
    alert="histogram_quantile(0.99, sum by (le) "
    '(rate(minibroker_request_seconds_bucket{request="Produce"}[5m]))) > 0.25',
    because="producers wait; look at minibroker_flush_seconds and minibroker_loop_lag_seconds",
)
DUPLICATES = counter(
    "minibroker_duplicate_batches_total",
    "Batches recognised as retries of stored ones: answered like those, and stored no second time",
    alert="rate(minibroker_duplicate_batches_total[5m]) > 1",
    because="answers are lost on their way: look at the network, or at timeouts of producers",
)
REFUSED = counter(
    "minibroker_refused_batches_total",
    "Batches that were not stored, by the code that was answered",
    "error",
    alert='rate(minibroker_refused_batches_total{error="OUT_OF_ORDER_SEQUENCE_NUMBER"}[5m]) > 0',
    because="a producer's batches arrive with gaps: `minibroker explain` says which",
)
FENCED = counter(
    "minibroker_fenced_total",
    "How often a producer heard that its epoch is over, by what it had asked",
    "request",
    alert="increase(minibroker_fenced_total[15m]) > 5",
    because="two producers share a transactional id, or a zombie does not give up",
)
FAMILIES: Final = (REQUESTS, ERRORS, TOTAL_TIME, SECONDS, DUPLICATES, REFUSED, FENCED)


class RequestTimes:
    """What is remembered of requests between scrapes."""

    def __init__(self) -> None:
        self._recent: defaultdict[str, Recent] = defaultdict(Recent)
        self._seconds: dict[Route, Histogram] = {}

    def take_in(self, routes: Iterable[Route]) -> None:
        """Take what was put down at the routes since the last time."""
        for route in routes:
            if route.took:
                seconds = self._seconds.get(route)
                if seconds is None:
                    seconds = self._seconds[route] = Histogram(REQUEST_SECONDS)
                seconds.take_in(route.took)

    def series(
        self, routes: Iterable[Route], figures: BrokerFigures, now_s: float
    ) -> Iterator[Series]:
        """All families."""
        self.take_in(routes)
        yield REQUESTS, list(_counted(self._seconds))
        yield ERRORS, list(_errors(figures))
        by_api: dict[str, list[Histogram]] = {}
        for route, seconds in self._seconds.items():
            by_api.setdefault(route.api.name, []).append(seconds)
        whole = {api: merged(REQUEST_SECONDS, some) for api, some in by_api.items()}
        yield TOTAL_TIME, list(self._total_times(whole, now_s))
        yield SECONDS, [Distribution((api,), each) for api, each in whole.items()]
        yield DUPLICATES, [Sample((), figures.duplicates)]
        refused = [Sample((code.name,), count) for code, count in figures.refused_batches.items()]
        yield REFUSED, refused
        yield FENCED, [Sample((api,), count) for api, count in figures.fenced.items()]

    def _total_times(self, whole: dict[str, Histogram], now_s: float) -> Iterator[Quantiles]:
        for api, each in whole.items():
            quantiles = self._recent[api].quantiles(each, now_s)
            values = tuple((name, value * 1000) for name, value in quantiles)
            for name in _names(api):
                yield Quantiles((name,), values, each.count, each.total * 1000)


def _names(api: str) -> tuple[str, ...]:
    return (api, _ALSO[api]) if api in _ALSO else (api,)


def _counted(measured: dict[Route, Histogram]) -> Iterator[Sample]:
    for route, seconds in measured.items():
        for name in _names(route.api.name):
            yield Sample((name, str(route.version)), seconds.count)


def _errors(figures: BrokerFigures) -> Iterator[Sample]:
    counts: dict[tuple[str, str], int] = {}
    for (api, code), count in figures.refused_requests.items():
        counts[api, code.name] = count
    for code, count in figures.refused_batches.items():
        key = ("Produce", code.name)
        counts[key] = counts.get(key, 0) + count
    for (api, error), count in counts.items():
        for name in _names(api):
            yield Sample((name, error), count)
