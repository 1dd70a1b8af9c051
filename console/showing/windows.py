"""A producer's window, drawn: its five newest batches in a partition, and what comes next. Pure.

A broker knows a retry again by these. Each box is a batch, as wide as it has records (within
bounds); behind them a dashed one for the sequence that is taken next. For those who do not see it,
the same stands in its title.
Tests: tests/unit/console/showing/test_windows.py
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import NamedTuple

from markupsafe import Markup

from ...protocol import sequence
from .words import span

HEIGHT = 34
GAP = 4
NARROW, WIDE = 40, 84
NEXT_WIDTH = 40


class Box(NamedTuple):
    """One batch of a window; first and last sequence inclusive."""

    first: int
    last: int
    base_offset: int


def window(boxes: Sequence[Box], next_sequence: int) -> Markup:
    """The drawing.

    Args:
        boxes: oldest first, five at most.
        next_sequence: what is taken next; -1 where any is.
    """
    parts, x = [], 0
    for index, each in enumerate(boxes):
        count = sequence.add(each.last, -each.first) + 1
        width = _width(count, len(f"{each.first}…{each.last}"))
        parts.append(_box(x, width, span(each.first, each.last), f"@{each.base_offset}", index))
        x += width + GAP
    text = "any" if next_sequence < 0 else str(next_sequence)
    width = max(NEXT_WIDTH, 7 * len(text) + 12)
    parts.append(
        Markup(
            '<g class="next"><rect x="{}.5" y=".5" width="{}" height="{}" rx="4"/>'
            '<text x="{}" y="14">{}</text><text class="at" x="{}" y="27">next</text></g>'
        ).format(x, width - 1, HEIGHT - 1, x + width // 2, text, x + width // 2)
    )
    x += width
    told = "; ".join(f"{span(b.first, b.last)} at offset {b.base_offset}" for b in boxes)
    return Markup(
        '<svg class="window" role="img" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
        'aria-label="{label}">{body}</svg>'
    ).format(
        w=x,
        h=HEIGHT,
        label=f"sequences {told or 'none'}; next {text}",
        body=Markup("").join(parts),
    )


def _width(count: int, letters: int) -> int:
    by_count = NARROW + int(8 * log2(max(1, count)))
    return max(min(by_count, WIDE), int(6.4 * letters) + 12)


def _box(x: int, width: int, text: str, place: str, index: int) -> Markup:
    middle = x + width // 2
    return Markup(
        '<g class="batch age-{}"><rect x="{}.5" y=".5" width="{}" height="{}" rx="4"/>'
        '<text x="{}" y="14">{}</text><text class="at" x="{}" y="27">{}</text></g>'
    ).format(index, x, width - 1, HEIGHT - 1, middle, text, middle, place)
