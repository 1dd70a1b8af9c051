"""Times as people type them. Pure.

Tests: tests/unit/console/showing/test_words.py
"""

from __future__ import annotations

from datetime import UTC, datetime

LATEST_MS = 2**53


def time_ms(text: str) -> int:
    """ms since 1970 of a number, or of a time of ISO 8601 (UTC unless it says otherwise).

    Raises: ValueError: it is neither.
    """
    text = text.strip()
    if text.isdecimal():
        return min(int(text[:20]), LATEST_MS)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: 2026-01-31T12:00:00 is one, in UTC, and ms since 1970 are"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return max(0, int(found.timestamp() * 1000))
