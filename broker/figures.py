"""What a running broker counts as it goes: plain integers on the objects that know.

Counting happens on the way of requests, so it is an addition, or a look into a short list, and no
call of a library. Who reads them is metrics/; what can be told from what is there anyway (offsets,
members, open files) is not counted at all.
Read next: metrics/scrape.py.
Tests: tests/unit/broker/metrics/test_figures.py
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from ..protocol.errors import ErrorCode

# Seconds: from what a request takes that finds all in memory, to what a waiting fetch may take.
REQUEST_SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
FLUSH_SECONDS: Final = (
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    1.0,
    5.0,
)
FLUSH_BATCHES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
LAG_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

FENCED: Final = frozenset((ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.PRODUCER_FENCED))
"""How a producer hears that another one has taken its place."""


class Histogram:
    """How many measurements fell below each of some bounds, and their sum.

    Args:
        bounds: rising, inclusive; above the last there is one bucket more.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, measured: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, measured)] += 1
        self.total += measured

    def take_in(self, measured: list[float]) -> None:
        """All of a list, which is empty then: a third of what it costs one by one."""
        measured.sort()
        before = 0
        for bucket, bound in enumerate(self.bounds):
            upto = bisect_right(measured, bound, before)
            self.counts[bucket] += upto - before
            before = upto
        self.counts[-1] += len(measured) - before
        self.total += sum(measured)
        measured.clear()

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)


def merged(bounds: tuple[float, ...], some: Iterable[Histogram]) -> Histogram:
    """All measurements of histograms with the same bounds."""
    whole = Histogram(bounds)
    for each in some:
        whole.counts = [a + b for a, b in zip(whole.counts, each.counts, strict=True)]
        whole.total += each.total
    return whole


class Counted(Protocol):
    """What a partition counts."""

    @property
    def records_in(self) -> int:
        """Records appended since it was opened, markers among them."""

    @property
    def appended_bytes(self) -> int:
        """Bytes of them, as they are stored."""

    @property
    def bytes_out(self) -> int:
        """Bytes that fetches have read."""

    @property
    def produce_count(self) -> int:
        """Batches that producers have sent, whatever became of them."""

    @property
    def fetch_count(self) -> int:
        """Fetches that have read here, or found nothing."""


class Traffic:
    """Sums of what partitions count."""

    __slots__ = ("bytes_in", "bytes_out", "fetch_count", "produce_count", "records_in")

    def __init__(self) -> None:
        self.records_in = self.bytes_in = self.bytes_out = 0
        self.produce_count = self.fetch_count = 0

    def add(self, partition: Counted) -> None:
        """One partition more."""
        self.records_in += partition.records_in
        self.bytes_in += partition.appended_bytes
        self.bytes_out += partition.bytes_out
        self.produce_count += partition.produce_count
        self.fetch_count += partition.fetch_count

    def include(self, other: Traffic) -> None:
        """Everything of another sum as well."""
        for name in Traffic.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class BrokerFigures:
    """What no single partition, connection or route could count.

    Attributes:
        duplicates: batches that were recognised as retries, and stored no second time.
        refused_batches: batches that were not stored, by the code that was answered.
        refused_by_topic: the same by topic, of those that are there; and so fetches.
        refused_requests: requests that were refused as a whole, by API and code.
        fenced: of both, how often a producer heard that another has taken its place, by API.
        flush_seconds, flush_batches: of each round of flushes, what it took, and how many batches
            were durable with it.
        flush_failures: none but the last: a flush that fails ends the broker.
        gone: what deleted partitions had counted, so that sums never fall.
        start_ms: what it took to open the data.
        loop_lag: in seconds, of the loop it runs in; None where nobody watches that.
    """

    def __init__(self) -> None:
        self.duplicates = 0
        self.refused_batches: Counter[ErrorCode] = Counter()
        self.refused_by_topic: Counter[str] = Counter()
        self.refused_fetches = 0
        self.refused_fetches_by_topic: Counter[str] = Counter()
        self.refused_requests: Counter[tuple[str, ErrorCode]] = Counter()
        self.fenced: Counter[str] = Counter()
        self.flush_seconds = Histogram(FLUSH_SECONDS)
        self.flush_batches = Histogram(FLUSH_BATCHES)
        self.flush_failures = 0
        self.gone = Traffic()
        self.start_ms = 0
        self.loop_lag: Histogram | None = None

    def batch_refused(self, topic: str | None, code: ErrorCode) -> None:
        """A batch was not stored; None for a topic that is not there."""
        self.refused_batches[code] += 1
        if topic is not None:  # a name that anybody may think up is no label
            self.refused_by_topic[topic] += 1
        if code in FENCED:
            self.fenced["Produce"] += 1

    def fetch_refused(self, topic: str | None) -> None:
        """Of a partition nothing was read, though it was asked for."""
        self.refused_fetches += 1
        if topic is not None:
            self.refused_fetches_by_topic[topic] += 1

    def request_refused(self, api: str, code: ErrorCode) -> None:
        """A request was refused as a whole."""
        self.refused_requests[api, code] += 1

    def told_fenced(self, api: str, code: ErrorCode) -> None:
        """An answer about transactions bears a code: was that a fence?"""
        if code in FENCED:
            self.fenced[api] += 1

    def topic_gone(self, name: str) -> None:
        """A topic was deleted."""
        self.refused_by_topic.pop(name, None)
        self.refused_fetches_by_topic.pop(name, None)
