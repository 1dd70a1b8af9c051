"""How long to wait before trying again.

Source: ExponentialBackoff.java: min(max, initial * 2^attempts * U(0.8, 1.2)).
Tests: tests/unit/client/produce/test_sender.py
"""

from __future__ import annotations

from random import Random

ATTEMPTS_COUNTED = 30  # beyond, the maximum has long been reached


def backoff_ms(initial_ms: float, max_ms: float, attempts: int, random: Random) -> float:
    """The wait before the next try.

    Args:
        attempts: how many tries have failed before this one failed, from 0.
    """
    factor: float = 2.0 ** min(attempts, ATTEMPTS_COUNTED)
    return min(max_ms, initial_ms * factor * random.uniform(0.8, 1.2))
