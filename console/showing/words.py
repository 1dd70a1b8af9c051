"""Numbers, sizes, times and names in words. Pure; each is a filter of the templates.

Tests: tests/unit/console/showing/test_words.py
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

# As a terminal would obey them, or as they would turn the text around them: shown, not obeyed.
CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
THIN = "\u202f"


def number(value: float) -> str:
    """12 345: in groups of three."""
    return f"{value:,.0f}".replace(",", THIN)


def compact(value: float) -> str:
    """1.2 M: what fits a narrow column."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * 10 or (abs(value) >= size and unit != "k"):
            return f"{value / size:.1f}{THIN}{unit}"
    return number(value)


def size(value: float) -> str:
    """1.2 MB; "–" for what is not known."""
    if value < 0:
        return "–"
    unit = 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.0f}{THIN}{UNITS[unit]}" if unit == 0 else f"{value:.1f}{THIN}{UNITS[unit]}"


def duration(ms: float) -> str:
    """How long, in one or two units."""
    if ms < 1_000:
        return f"{ms:.0f}{THIN}ms" if ms >= 10 or ms == int(ms) else f"{ms:.1f}{THIN}ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f}{THIN}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 60:
        return _units((minutes, "min"), (seconds % 60, "s"))
    if hours < 48:
        return _units((hours, "h"), (minutes % 60, "min"))
    return _units((days, "d"), (hours % 24, "h"))


def _units(*counted: tuple[float, str]) -> str:
    return " ".join(f"{count:.0f}{THIN}{unit}" for count, unit in counted if round(count))


def moment(at_ms: int) -> str:
    """2026-01-31 12:00:00.000 in UTC; "–" for none."""
    if at_ms < 0:
        return "–"
    try:
        found = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):  # a client may write any 64 bits
        return f"{at_ms} ms"
    return found.strftime("%Y-%m-%d %H:%M:%S.") + f"{at_ms % 1000:03}"


def clock(at_ms: int) -> str:
    """12:00:00.000 in UTC."""
    return moment(at_ms).rpartition(" ")[2]


def visible(text: object) -> str:
    """A name from the network: control characters are shown as escapes."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def shortened(text: str, letters_max: int = 60) -> str:
    """A long text, cut in its middle."""
    if len(text) <= letters_max:
        return text
    half = (letters_max - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def span(first: int, last: int) -> str:
    """4…9, or 4."""
    return str(first) if first == last else f"{first}…{last}"
