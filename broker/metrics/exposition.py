"""Families as text, in pieces of about a millisecond.

Escaping, numbers and both formats are prometheus_client's: Prometheus' text, and OpenMetrics for
who accepts it. But the library writes a registry in one go, and takes 10 to 20 us a line, and a
scrape of ten thousand partitions is a hundred thousand lines. So it is given registries of one
family, and lines of plain values are put together here from the same parts, if there is nothing in
their labels to be escaped; a test holds them against what the library makes of them.
Tests: tests/unit/broker/metrics/test_exposition.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from typing import Final

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry
from prometheus_client.utils import floatToGoString

from .family import Distribution, Family, Kind, Quantiles, Sample, Series, Told

LINES_A_PIECE: Final = 250
_number: Callable[[float], str] = floatToGoString
_END = b"# EOF\n"  # of OpenMetrics: once, and not behind each piece


class _OneFamily(CollectorRegistry):
    """A registry that has one family, made already."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """It."""
        yield self._metric


class Exposition:
    """How one scrape is written.

    Args:
        accept: the Accept header of the request.

    Attributes:
        content_type: of what is written.
    """

    def __init__(self, accept: str) -> None:
        encoder, self.content_type = choose_encoder(accept)
        self._encode: Callable[[CollectorRegistry], bytes] = encoder
        self._is_open_metrics = "openmetrics" in self.content_type

    def pieces(self, series: Series) -> Iterator[bytes]:
        """One family, in pieces; each is whole lines."""
        family, told = series
        left = iter(told)
        yield self.whole(_metric(family, ()))
        if family.kind in (Kind.COUNTER, Kind.GAUGE):
            # One sample after the other, and none kept: 1. a piece's samples are hundreds of
            # tuples at once  2. for each such lot the collector of garbage looks among the young
            # 3. and soon among all there is, which takes a tenth of a second.
            while text := b"".join(map(self._line, repeat(family), islice(left, LINES_A_PIECE))):
                yield text
            return
        while some := list(islice(left, _a_piece(family))):
            yield self.explained(family, some)

    def explained(self, family: Family, some: Iterable[Told]) -> bytes:
        """Lines of a family as the library writes them, without those that say what it is."""
        return _without_head(self.whole(_metric(family, some)))

    def _line(self, family: Family, sample: Told) -> bytes:
        assert isinstance(sample, Sample)
        labels = sample.labels
        for each in labels:
            if '"' in each or "\\" in each or "\n" in each:
                return self.explained(family, [sample])
        value = _number(sample.value)
        if not labels:
            return f"{family.name} {value}\n".encode()
        pairs = zip(family.labels, labels, strict=False)
        told = ",".join([f'{name}="{each}"' for name, each in sorted(pairs)])
        return f"{family.name}{{{told}}} {value}\n".encode()

    def whole(self, metric: Metric) -> bytes:
        """A metric of the library in one piece."""
        return self._encode(_OneFamily(metric)).removesuffix(_END)

    def end(self) -> bytes:
        """What stands behind the last family."""
        return _END if self._is_open_metrics else b""


def _a_piece(family: Family) -> int:
    """How many of a family that the library writes: each has many lines."""
    return 5 if family.kind is Kind.HISTOGRAM else 10


def _metric(family: Family, some: Iterable[Told]) -> Metric:
    metric = Metric(family.name.removesuffix("_total"), family.meaning, family.kind.value)
    for each in some:
        labels = dict(zip(family.labels, each.labels, strict=False))
        if isinstance(each, Distribution):
            _add_buckets(metric, family.name, labels, each)
        elif isinstance(each, Quantiles):
            for quantile, value in each.values:
                metric.add_sample(family.name, {**labels, "quantile": quantile}, value)
            metric.add_sample(f"{family.name}_count", labels, each.measured)
            metric.add_sample(f"{family.name}_sum", labels, each.total)
        else:
            metric.add_sample(family.name, labels, each.value)
    return metric


def _add_buckets(metric: Metric, name: str, labels: dict[str, str], told: Distribution) -> None:
    count = 0
    bounds = (*told.histogram.bounds, float("inf"))
    for bound, more in zip(bounds, tuple(told.histogram.counts), strict=True):
        count += more
        metric.add_sample(f"{name}_bucket", {**labels, "le": _number(bound)}, count)
    metric.add_sample(f"{name}_count", labels, count)
    metric.add_sample(f"{name}_sum", labels, told.histogram.total)


def _without_head(text: bytes) -> bytes:
    """Without the lines that say what the family is."""
    while text.startswith(b"# "):
        text = text.partition(b"\n")[2]
    return text
