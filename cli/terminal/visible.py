"""Text from the network as a terminal may have it: control characters are shown, not obeyed.

A group, client or topic may carry any text; raw, it could move the cursor, repaint lines or turn
the rest of the screen around (Unicode's marks for the direction of writing).
Tests: tests/unit/cli/test_main.py
"""

from __future__ import annotations

import re

_OBEYED = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES = re.compile(f"[{_OBEYED}]")
_IN_WORDS = re.compile(f"[{_OBEYED}\t\n]")


def visible(value: object) -> str:
    """One word or cell: nothing in it moves anything."""
    return _IN_WORDS.sub(_escaped, str(value))


def visible_lines(text: str) -> str:
    """The same for text of several lines: newlines and tabs stay."""
    return _IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
