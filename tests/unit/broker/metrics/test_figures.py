"""What is counted, and quantiles of what came lately."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minibroker.broker.figures import BrokerFigures, Histogram, Traffic, merged
from minibroker.broker.metrics.recent import REMEMBERED_EVERY_S, WINDOW_S, Recent, quantile
from minibroker.protocol.errors import ErrorCode

BOUNDS = (1.0, 2.0, 4.0)


def histogram(*measured: float) -> Histogram:
    made = Histogram(BOUNDS)
    for each in measured:
        made.add(each)
    return made


def test_a_measurement_belongs_to_the_bucket_whose_bound_it_does_not_exceed() -> None:
    found = histogram(0.0, 1.0, 1.5, 4.0, 9.0)
    assert found.counts == [2, 1, 1, 1]
    assert (found.count, found.total) == (5, 15.5)


@given(st.lists(st.one_of(st.floats(0, 6), st.sampled_from(BOUNDS))), st.lists(st.floats(0, 6)))
def test_many_at_once_are_what_they_are_one_by_one(before: list[float], some: list[float]) -> None:
    one_by_one, at_once = histogram(*before, *some), histogram(*before)
    at_once.take_in(some)
    assert at_once.counts == one_by_one.counts
    assert at_once.total == pytest.approx(one_by_one.total)
    assert some == []  # so that nothing is counted twice


def test_histograms_are_added_up() -> None:
    whole = merged(BOUNDS, [histogram(1.0, 9.0), histogram(3.0)])
    assert (whole.counts, whole.total) == ([1, 0, 1, 1], 13.0)


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    assert quantile(BOUNDS, [4, 4, 0, 0], 0.5) == 1.0
    assert quantile(BOUNDS, [4, 4, 0, 0], 0.75) == 1.5
    assert quantile(BOUNDS, [0, 0, 0, 3], 0.5) == 4.0  # above all bounds: no more is known
    assert quantile(BOUNDS, [0, 0, 0, 0], 0.99) == 0.0


def median(recent: Recent, found: Histogram, now_s: float) -> float:
    return dict(recent.quantiles(found, now_s))["0.50"]


def test_quantiles_are_those_of_the_last_minutes() -> None:
    recent, found = Recent(), histogram(3.0, 3.0, 3.0, 3.0)
    assert median(recent, found, 1000.0) == 3.0  # all since the start: nobody asked before
    for _ in range(3):
        found.add(0.5)
    assert median(recent, found, 1000.0 + WINDOW_S / 2) > 1.0  # the first look is not old enough
    assert median(recent, found, 1000.0 + WINDOW_S) == 0.5  # what came since: three times below 1
    assert median(recent, found, 1000.0 + 3 * WINDOW_S) == 0.0  # nothing came since


def test_who_asks_very_often_is_not_remembered_each_time() -> None:
    recent, found = Recent(), histogram(1.0)
    for tenth in range(10_000):
        recent.quantiles(found, tenth / 10)
    assert len(recent._earlier) <= WINDOW_S / REMEMBERED_EVERY_S + 2


def test_topics_that_are_not_there_are_no_labels() -> None:
    figures = BrokerFigures()
    figures.batch_refused(None, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    figures.batch_refused("orders", ErrorCode.INVALID_PRODUCER_EPOCH)
    figures.fetch_refused(None)
    assert figures.refused_by_topic == {"orders": 1}
    assert figures.refused_batches.total() == 2
    assert figures.fenced == {"Produce": 1}
    figures.topic_gone("orders")
    assert figures.refused_by_topic == {}
    assert figures.refused_batches.total() == 2


def test_only_fences_count_as_such() -> None:
    figures = BrokerFigures()
    figures.told_fenced("EndTxn", ErrorCode.NONE)
    figures.told_fenced("EndTxn", ErrorCode.INVALID_TXN_STATE)
    figures.told_fenced("EndTxn", ErrorCode.PRODUCER_FENCED)
    assert figures.fenced == {"EndTxn": 1}


def test_traffic_is_summed() -> None:
    one, two = Traffic(), Traffic()
    one.records_in, one.fetch_count = 3, 1
    two.records_in, two.bytes_out = 4, 9
    two.include(one)
    assert (two.records_in, two.bytes_out, two.fetch_count) == (7, 9, 1)
    assert two.bytes_in == pytest.approx(0)
