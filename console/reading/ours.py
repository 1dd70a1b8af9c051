"""EDGE: what only a minibroker can tell: how it is, its verdicts, its producers' windows, faults.

Each is an API of ours, asked for only where ApiVersions offers it.
Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

from typing import Any

from .kafka import Kafka

KEPT_S = 1.0


async def status_of(kafka: Kafka) -> Any | None:
    """How the broker is; None where it is none of ours."""
    return None
