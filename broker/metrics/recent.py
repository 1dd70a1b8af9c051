"""Quantiles of what was measured lately, from histograms that count from the start.

Kafka tells quantiles of about the last five minutes. Here each scrape remembers what the counts
were, and a quantile is that of what has come since the oldest that is remembered: between one
window and two, or since the start where nobody has asked before. Within a bucket it is
interpolated, as histogram_quantile of Prometheus does.
Tests: tests/unit/broker/metrics/test_figures.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from ..figures import Histogram

WINDOW_S: Final = 300.0
REMEMBERED_EVERY_S: Final = 30.0
QUANTILES: Final = ("0.50", "0.75", "0.95", "0.98", "0.99", "0.999")


class Recent:
    """What the counts of one histogram were at earlier looks."""

    def __init__(self) -> None:
        self._earlier: deque[tuple[float, tuple[int, ...]]] = deque()

    def quantiles(self, histogram: Histogram, now_s: float) -> tuple[tuple[str, float], ...]:
        """By quantile, as QUANTILES writes it; 0.0 where nothing was measured lately.

        Args:
            now_s: by a clock that only goes on.
        """
        earlier, counts = self._earlier, tuple(histogram.counts)
        while len(earlier) > 1 and earlier[1][0] <= now_s - WINDOW_S:
            earlier.popleft()
        before = (0,) * len(counts)
        if earlier and earlier[0][0] <= now_s - WINDOW_S:
            before = earlier[0][1]
        if not earlier or earlier[-1][0] <= now_s - REMEMBERED_EVERY_S:
            earlier.append((now_s, counts))
        lately = [now - then for now, then in zip(counts, before, strict=True)]
        return tuple((each, quantile(histogram.bounds, lately, float(each))) for each in QUANTILES)


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float:
    """The value that a share of all measurements does not exceed, interpolated.

    Args:
        counts: of each bucket, one more than there are bounds; above the last bound it is that.
    """
    rank = share * sum(counts)
    if not rank:
        return 0.0
    lower = 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if rank <= count:
            return lower + (bound - lower) * rank / count
        rank -= count
        lower = bound
    return lower
