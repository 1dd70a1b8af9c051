"""Numbers on the command line, refused by the option's own name when they mean nothing.

Tests: tests/unit/cli/test_main.py
"""

from __future__ import annotations

from argparse import ArgumentTypeError


def parse_count(text: str) -> int:
    """A whole number of 1 or more. Raises ArgumentTypeError."""
    return _at_least(text, 1, "1 or more")


def parse_whole(text: str) -> int:
    """A whole number of 0 or more. Raises ArgumentTypeError."""
    return _at_least(text, 0, "0 or more")


def parse_ms(text: str) -> float:
    """Milliseconds, 0 or more. Raises ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = -1
    if not 0 <= found < float("inf"):
        raise ArgumentTypeError(f"{text!r}: expected milliseconds, 0 or more")
    return found


def _at_least(text: str, lowest: int, words: str) -> int:
    if not text.strip().isdecimal() or not text.isascii() or int(text) < lowest:
        raise ArgumentTypeError(f"{text!r}: expected a whole number, {words}")
    return int(text)
