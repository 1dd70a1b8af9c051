"""Marks: how far a source has been read, as `send` takes them. Values only.

Tests: tests/unit/client/door/test_mark_door.py
"""

from __future__ import annotations

from typing import Final

from .door import shown

BYTES_MAX: Final = 32_767


def marked(mark: object) -> tuple[str | None, int | str | bytes]:
    """A mark as (source, position).

    Raises:
        TypeError, ValueError: it is none.
    """
    source: object = None
    position = mark
    if isinstance(mark, tuple):
        if len(mark) != 2:
            raise TypeError(f"mark must be (source, position) or a position, not {shown(mark)}")
        source, position = mark
    if source is not None and not isinstance(source, str):
        raise TypeError(f"the source of mark must be a str or None, not {shown(source)}")
    if isinstance(position, bool) or not isinstance(position, int | str | bytes):
        raise TypeError(f"the position of mark must be int, str or bytes, not {shown(position)}")
    for name, each in (("source", source), ("position", position)):
        if isinstance(each, str | bytes) and len(each) > BYTES_MAX:
            raise ValueError(f"the {name} of mark is longer than {BYTES_MAX}: {shown(each)}")
    return source, position
