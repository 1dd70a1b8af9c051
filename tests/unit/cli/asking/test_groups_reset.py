"""The words of `minibroker groups reset-offsets`."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

import pytest
from minibroker.cli.asking.groups_reset import parse_datetime, parse_duration, parse_topic


def test_topics_and_their_partitions() -> None:
    assert parse_topic("orders") == ("orders", None)
    assert parse_topic("orders:0,2") == ("orders", frozenset({0, 2}))
    for text in ("", ":1", "orders:", "orders:x", "orders:1,"):
        with pytest.raises(ArgumentTypeError, match="expected TOPIC"):
            parse_topic(text)


def test_durations() -> None:
    assert parse_duration("P1DT2H30M") == timedelta(days=1, hours=2, minutes=30)
    assert parse_duration("PT0.5S") == timedelta(milliseconds=500)
    for text in ("P", "PT", "1D", "P1W", ""):
        with pytest.raises(ArgumentTypeError, match="expected a duration"):
            parse_duration(text)


def test_times_are_utc_unless_they_say_otherwise() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_datetime("2026-01-31T12:00:00") == noon
    assert parse_datetime("2026-01-31T12:00:00.000Z") == noon
    assert parse_datetime("2026-01-31T13:00:00+01:00") == noon
    with pytest.raises(ArgumentTypeError, match="expected a time"):
        parse_datetime("yesterday")
