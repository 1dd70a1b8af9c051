"""Tables for people: left-aligned columns as wide as their widest cell.

Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .visible import visible


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lines under a line of heads, without a newline at the end; None is shown as `-`."""
    lines = [list(heads)] + [
        ["-" if cell is None else visible(cell) for cell in row] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def places_cell(places: Iterable[tuple[str, int]]) -> str:
    """topic(0,1), as kafka-consumer-groups writes partitions."""
    topics: dict[str, list[str]] = {}
    for topic, partition in sorted(places):
        topics.setdefault(topic, []).append(str(partition))
    return ", ".join(f"{topic}({','.join(each)})" for topic, each in topics.items()) or "-"
