"""How a minibroker is, and how that has been for the last minutes: rates from two looks. Pure.

Tests: tests/unit/console/reading/test_looks.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...protocol.messages.describe_broker import (
    DescribeBrokerResponse,
    TimeBucket,
)

LOOKS_KEPT = 60
SHARE = 0.99
OLD_MS = 120_000  # a look before that says nothing of now


class Rates(NamedTuple):
    """What went on between two looks, a second each; times in ms, -1 where there were none."""

    records: float
    bytes_in: float
    bytes_out: float
    duplicates: float
    refused: float
    flushes: float
    flush_ms: float
    lag_ms: float


@dataclass(frozen=True, slots=True)
class Status:
    """How the broker is now.

    Attributes:
        rates: since the look before; None at the first.
        history: rates of the last looks, oldest first.
    """

    now: DescribeBrokerResponse
    rates: Rates | None
    history: Sequence[Rates]

    @property
    def uptime_ms(self) -> int:
        """Since its data was opened."""
        return self.now.monotonic_ms - self.now.started_ms


@dataclass(slots=True)
class Looks:
    """The looks at one broker, the newest last."""

    newest: DescribeBrokerResponse | None = None
    history: deque[Rates] = field(default_factory=lambda: deque(maxlen=LOOKS_KEPT))

    def add(self, now: DescribeBrokerResponse) -> Status:
        """One more."""
        before, self.newest = self.newest, now
        is_same = before is not None and before.started_ms == now.started_ms
        if before is None or not is_same or now.monotonic_ms - before.monotonic_ms > OLD_MS:
            self.history.clear()
            return Status(now, None, ())
        if now.monotonic_ms > before.monotonic_ms:
            self.history.append(rates(before, now))
        return Status(now, self.history[-1] if self.history else None, tuple(self.history))


def rates(before: DescribeBrokerResponse, now: DescribeBrokerResponse) -> Rates:
    """What went on between two looks at the same run of a broker."""
    seconds = (now.monotonic_ms - before.monotonic_ms) / 1000

    def each(name: str) -> float:
        counted: int = getattr(now, name) - getattr(before, name)
        return max(0.0, counted / seconds)

    flushes = _between(before.flush_times, now.flush_times)
    return Rates(
        each("records_in"),
        each("bytes_in"),
        each("bytes_out"),
        each("duplicate_count"),
        each("refused_count"),
        sum(each.count for each in flushes) / seconds,
        _quantile_ms(flushes),
        _quantile_ms(_between(before.loop_lags, now.loop_lags)),
    )


def _between(before: Sequence[TimeBucket], now: Sequence[TimeBucket]) -> list[TimeBucket]:
    return [
        TimeBucket(upper_us=new.upper_us, count=new.count - old.count)
        for old, new in zip(before, now, strict=False)
    ]


def _quantile_ms(buckets: Sequence[TimeBucket]) -> float:
    """Below which 99 in 100 lie, as the upper bound of their bucket; -1 where there are none."""
    total, seen = sum(each.count for each in buckets), 0
    for index, each in enumerate(buckets):
        seen += each.count
        if total and seen >= SHARE * total:
            upper = each.upper_us if each.upper_us >= 0 else buckets[index - 1].upper_us
            return upper / 1000
    return -1.0
