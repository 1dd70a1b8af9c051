"""Small drawings of how a number went: a line and the area below it, in a box of 100 by 30. Pure.

Tests: tests/unit/console/showing/test_sparks.py
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT, TOP = 100.0, 30.0, 2.0


def spark(values: Sequence[float], words: str) -> Markup:
    """The drawing; the lowest line is 0, and what is below it (not measured) lies on it.

    Args:
        values: oldest first; with less than two there is nothing to draw.
        words: what it shows, for those who do not see it.
    """
    if len(values) < 2:
        return Markup('<svg class="spark" viewBox="0 0 100 30" aria-hidden="true"></svg>')
    highest = max(*values, 1e-9)
    step = WIDTH / (len(values) - 1)
    points = [
        f"{index * step:.1f} {HEIGHT - (HEIGHT - TOP) * max(0.0, value) / highest:.1f}"
        for index, value in enumerate(values)
    ]
    line = "M" + " L".join(points)
    return Markup(
        '<svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" '
        'aria-label="{}"><path class="area" d="{} L100 30 L0 30z"/><path d="{}"/></svg>'
    ).format(words, line, line)
