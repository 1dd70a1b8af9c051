"""Rates from two looks at a broker."""

from __future__ import annotations

from minibroker.console.reading.looks import LOOKS_KEPT, Looks
from minibroker.protocol.messages.describe_broker import DescribeBrokerResponse, TimeBucket


def look(at_ms: int, records: int, *flushes: int, started_ms: int = 0) -> DescribeBrokerResponse:
    uppers = (1_000, 5_000, -1)
    return DescribeBrokerResponse(
        error_code=0,
        monotonic_ms=at_ms,
        started_ms=started_ms,
        records_in=records,
        flush_times=[
            TimeBucket(upper_us=u, count=n) for u, n in zip(uppers, flushes, strict=False)
        ],
    )


def test_rates_are_of_what_went_on_between_two_looks() -> None:
    looks = Looks()
    assert looks.add(look(1_000, 100, 5, 5, 0)).rates is None
    rates = looks.add(look(3_000, 300, 104, 6, 0)).rates
    assert rates is not None
    assert rates.records == 100
    assert rates.flushes == 50
    assert rates.flush_ms == 1.0
    assert rates.lag_ms == -1  # nobody watches the loop
    slow = looks.add(look(4_000, 300, 104, 6, 9)).rates
    assert slow is not None
    assert slow.flush_ms == 5.0  # above the last bound there is none to tell


def test_another_start_begins_anew() -> None:
    looks = Looks()
    looks.add(look(1_000, 100))
    assert looks.add(look(2_000, 5, started_ms=1_500)).rates is None
    assert looks.add(look(200_000, 9, started_ms=1_500)).rates is None  # too long ago


def test_no_more_is_kept_than_its_bound() -> None:
    looks = Looks()
    for number in range(2 * LOOKS_KEPT):
        status = looks.add(look(1_000 * number + 1, number))
    assert len(status.history) == LOOKS_KEPT
