"""Marks as `send` takes them."""

from __future__ import annotations

import pytest
from minibroker.client.door.mark_door import BYTES_MAX, marked


@pytest.mark.parametrize("position", [0, -(2**80), "", "row 7", b"\0"])
def test_a_mark_is_a_source_and_a_position(position: object) -> None:
    assert marked(position) == (None, position)
    assert marked(("file", position)) == ("file", position)
    assert marked((None, position)) == (None, position)


@pytest.mark.parametrize("mark", [None, 1.0, True, [], ("a", 1, 2), (1, 1), ("a", None)])
def test_what_is_no_mark_is_refused(mark: object) -> None:
    with pytest.raises(TypeError, match="mark"):
        marked(mark)


LONG = "x" * (BYTES_MAX + 1)


@pytest.mark.parametrize("mark", [LONG, (LONG, 1)], ids=["position", "source"])
def test_marks_are_bounded(mark: object) -> None:
    with pytest.raises(ValueError, match="mark"):
        marked(mark)
