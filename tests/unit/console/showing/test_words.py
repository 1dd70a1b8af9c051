"""Numbers, sizes, times and names in words."""

from __future__ import annotations

import pytest
from minibroker.console.showing import words
from minibroker.console.showing.times import time_ms


def plain(text: str) -> str:
    return text.replace(words.THIN, " ")


def test_numbers_and_sizes() -> None:
    assert plain(words.number(1234567)) == "1 234 567"
    assert plain(words.compact(1_234_567)) == "1.2 M"
    assert plain(words.compact(9_999)) == "9 999"
    assert plain(words.size(999)) == "999 B"
    assert plain(words.size(1_500_000)) == "1.5 MB"
    assert words.size(-1) == "–"


def test_durations() -> None:
    told = [plain(words.duration(ms)) for ms in (0.4, 12, 1_500, 61_000, 7_300_000, 200_000_000)]
    assert told == ["0.4 ms", "12 ms", "1.5 s", "1 min 1 s", "2 h 1 min", "2 d 7 h"]


def test_moments_of_any_64_bits() -> None:
    assert words.moment(1_767_225_600_123) == "2026-01-01 00:00:00.123"
    assert words.moment(-1) == "–"
    assert words.moment(2**62).endswith(" ms")


def test_names_are_shown_and_not_obeyed() -> None:
    assert words.visible("a\x1b[0m\u202eb") == "a\\x1b[0m\\u202eb"
    assert words.shortened("x" * 100, 11) == "xxxxx…xxxxx"


def test_times_as_people_type_them() -> None:
    assert time_ms("2026-01-01T00:00:00") == 1_767_225_600_000
    assert time_ms("2026-01-01T01:00:00+01:00") == 1_767_225_600_000
    assert time_ms(" 1767225600000 ") == 1_767_225_600_000
    with pytest.raises(ValueError, match="is no time"):
        time_ms("yesterday")
