"""docs/limits.md says what broker/limits.py says, and every bound there has its reason."""

from __future__ import annotations

from tests.support.pages.limits_page import PAGE, SOURCE, undocumented, written


def test_the_page_is_what_the_bounds_say() -> None:
    told = "run: python -m tests.support.pages.limits_page"
    assert PAGE.read_text(encoding="utf-8") == written(), told


def test_every_bound_has_a_reason() -> None:
    assert undocumented(SOURCE.read_text(encoding="utf-8")) == []
    assert undocumented("# why\nA = 1\nB = 2\n\nC = 3\n") == ["C"]
