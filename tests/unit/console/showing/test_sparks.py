"""Small drawings of how a number went."""

from __future__ import annotations

from xml.etree import ElementTree

from minibroker.console.showing.sparks import spark


def test_a_line_goes_from_edge_to_edge_within_its_box() -> None:
    drawn = ElementTree.fromstring(str(spark([0, 5, 10, -1], "x < y")))
    area, line = (each.get("d", "") for each in drawn.iter("path"))
    assert line == "M0.0 30.0 L33.3 16.0 L66.7 2.0 L100.0 30.0"
    assert area == line + " L100 30 L0 30z"
    assert drawn.get("aria-label") == "x < y"


def test_one_look_draws_nothing() -> None:
    assert "path" not in spark([1], "x")
    assert "path" not in spark([], "x")


def test_nothing_going_on_is_a_flat_line() -> None:
    assert "M0.0 30.0 L100.0 30.0" in spark([0, 0], "x")
