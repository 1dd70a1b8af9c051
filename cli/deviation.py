"""What a row of deviations.py says.

Tests: tests/unit/test_deviations.py
"""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """One difference, as a client sees it."""

    request: str
    kafka: str
    ours: str
    reason: str
    test: str  # path::name of the test that pins ours
