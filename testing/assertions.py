"""What is said when the log does not hold what a test expects.

Tests: tests/system/testing/test_faults.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stored import Stored

SHOWN_MAX = 10


def stored_once(topic: str, values: Iterable[bytes | None], records: Iterable[Stored]) -> None:
    """Compare exact multisets: every value as often as it is listed.

    Raises:
        AssertionError: names what is missing, doubled or unexpected, and where it lies.
    """
    stored = list(records)
    expected, found = Counter(values), Counter(record.value for record in stored)
    if expected == found:
        return
    complaints = []
    for value, count in (expected - found).items():
        complaints.append(f"missing {count}: {value!r}")
    for value, count in (found - expected).items():
        places = ", ".join(
            f"{record.partition}@{record.offset}" for record in stored if record.value == value
        )
        word = "stored too often" if value in expected else "not expected"
        complaints.append(f"{word}, by {count}: {value!r} at {places}")
    if len(complaints) > SHOWN_MAX:
        complaints[SHOWN_MAX:] = [f"and {len(complaints) - SHOWN_MAX} more"]
    text = "\n  ".join(complaints)
    raise AssertionError(f"{topic}: {expected.total()} expected, {found.total()} stored\n  {text}")
