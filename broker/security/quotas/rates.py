"""What a client does in a second, over the last seconds; and tokens for what comes in bursts. Pure.

A rate is measured over SAMPLES windows of WINDOW_MS. At the beginning, when there are fewer, it is
measured as if there had been all but one: so a client may begin with a burst.
Source: Rate.java, SampledStat.java, TokenBucket.java, QuotaUtils.java; KIP-13, KIP-599.
Tests: tests/unit/broker/security/quotas/test_rates.py
"""

from __future__ import annotations

from collections import deque
from typing import Final

SAMPLES: Final = 11  # quota.window.num
WINDOW_MS: Final = 1_000  # quota.window.size.seconds


class Rate:
    """One sum by second."""

    __slots__ = ("_before", "_samples")

    def __init__(self) -> None:
        self._samples: deque[list[float]] = deque()  # [begins at ms, sum]
        self._before = 0.0  # the sum of all but the newest

    def record(self, value: float, now_ms: float) -> None:
        """Add to the present window; a negative value takes back."""
        samples = self._samples
        if not samples or now_ms - samples[-1][0] >= WINDOW_MS:
            samples.append([now_ms, 0.0])
            if len(samples) > SAMPLES:
                samples.popleft()
            self._count()
        samples[-1][1] += value

    def throttle_ms(self, quota: float, now_ms: float) -> float:
        """How long to wait until the rate is no more than `quota` a second; 0 if it is."""
        span_ms = self._span_ms(now_ms)
        newest = self._samples[-1][1] if self._samples else 0.0
        rate = (self._before + newest) * 1000 / span_ms
        return max(rate - quota, 0.0) / quota * span_ms

    def _span_ms(self, now_ms: float) -> float:
        samples = self._samples
        if samples and now_ms - samples[0][0] >= SAMPLES * WINDOW_MS:
            while samples and now_ms - samples[0][0] >= SAMPLES * WINDOW_MS:
                samples.popleft()
            self._count()
        elapsed_ms = now_ms - samples[0][0] if samples else 0.0
        missing = SAMPLES - 1 - int(elapsed_ms / WINDOW_MS)
        return max(elapsed_ms + max(missing, 0) * WINDOW_MS, WINDOW_MS)

    def _count(self) -> None:
        """Once a window, and from the beginning: what is added up and taken off again drifts."""
        values = [value for _, value in self._samples]
        self._before = sum(values[:-1])


class TokenBucket:
    """Tokens that come at a rate, up to what SAMPLES windows bring; it may go into debt."""

    __slots__ = ("_filled_at_ms", "_tokens")

    def __init__(self) -> None:
        self._tokens: float | None = None  # full
        self._filled_at_ms = 0.0

    def record(self, count: float, quota: float, now_ms: float) -> None:
        """Take so many."""
        self._tokens = self._left(quota, now_ms) - count
        self._filled_at_ms = now_ms

    def throttle_ms(self, quota: float, now_ms: float) -> float:
        """How long to wait until the debt is paid; 0 if there is none."""
        return max(-self._left(quota, now_ms), 0.0) / quota * 1000

    def _left(self, quota: float, now_ms: float) -> float:
        burst = quota * SAMPLES * WINDOW_MS / 1000
        if self._tokens is None:
            return burst
        return min(burst, self._tokens + (now_ms - self._filled_at_ms) / 1000 * quota)
