"""The drawing of a producer's window."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from minibroker.console.showing.windows import Box, window


def test_every_batch_is_a_box_and_says_its_sequences() -> None:
    drawn = ElementTree.fromstring(str(window([Box(0, 4, 10), Box(5, 5, 15)], 6)))
    texts = [each.text for each in drawn.iter("text")]
    assert texts == ["0…4", "@10", "5", "@15", "6", "next"]
    assert drawn.get("aria-label") == "sequences 0…4 at offset 10; 5 at offset 15; next 6"


def test_a_window_without_batches_takes_any_sequence() -> None:
    drawn = ElementTree.fromstring(str(window([], -1)))
    assert [each.text for each in drawn.iter("text")] == ["any", "next"]


def test_boxes_do_not_overlap() -> None:
    boxes = [Box(2_147_483_600, 2_147_483_647, 1), Box(0, 99_999, 2), Box(100_000, 100_000, 3)]
    drawn = ElementTree.fromstring(str(window(boxes, 100_001)))
    spans = [(float(r.get("x", 0)), float(r.get("width", 0))) for r in drawn.iter("rect")]
    assert all(x + width <= nxt for (x, width), (nxt, _) in pairwise(spans))
