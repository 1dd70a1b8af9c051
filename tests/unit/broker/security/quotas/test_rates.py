"""Rates and waits, with the figures that Apache Kafka 4.3.1 gave."""

from __future__ import annotations

import pytest
from minibroker.broker.security.quotas.rates import SAMPLES, WINDOW_MS, Rate, TokenBucket

QUOTA = 10_000.0
BATCH = 20_000 + 110  # a request with a batch of 20 kB


def test_the_first_four_batches_are_free_and_then_each_waits_for_itself() -> None:
    rate, waits, now_ms = Rate(), [], 0.0
    for _ in range(6):
        rate.record(BATCH, now_ms)
        waits.append(rate.throttle_ms(QUOTA, now_ms))
        now_ms += 10 + waits[-1]
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4] == pytest.approx(30, abs=30)
    assert waits[5] == pytest.approx(2000, abs=60)


def test_twice_too_much_waits_as_long_as_it_is_measured() -> None:
    rate = Rate()
    rate.record(200_000, 0)
    assert rate.throttle_ms(QUOTA, 0) == pytest.approx(10_000)


def test_what_was_long_ago_does_not_count() -> None:
    rate = Rate()
    rate.record(10**9, 0)
    assert rate.throttle_ms(QUOTA, SAMPLES * WINDOW_MS) == 0


def test_what_is_taken_back_does_not_count() -> None:
    rate = Rate()
    rate.record(10**9, 0)
    rate.record(-(10**9), 5)
    assert rate.throttle_ms(QUOTA, 10) == 0


def test_a_steady_rate_is_told_as_it_is() -> None:
    rate = Rate()
    for second in range(30):
        rate.record(QUOTA, second * 1000)
    assert rate.throttle_ms(QUOTA, 29_999) == pytest.approx(0, abs=2)
    assert rate.throttle_ms(QUOTA / 2, 29_999) > 0


def test_tokens_come_in_a_burst_and_then_at_the_rate() -> None:
    bucket = TokenBucket()
    bucket.record(11, 1.0, 0)
    assert bucket.throttle_ms(1.0, 0) == 0
    bucket.record(8, 1.0, 0)
    assert bucket.throttle_ms(1.0, 32) == pytest.approx(7968)
    assert bucket.throttle_ms(1.0, 8000) == 0
    bucket.record(0, 1.0, 10**9)
    bucket.record(12, 1.0, 10**9)
    assert bucket.throttle_ms(1.0, 10**9) == pytest.approx(1000), "no more than a burst is saved"
