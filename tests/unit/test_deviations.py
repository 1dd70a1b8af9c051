"""docs/deviations.md shows readers exactly what cli/deviations.py knows, and each has a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from minibroker.cli.deviation import Deviation
from minibroker.cli.deviations import DEVIATIONS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "deviations.md"


def as_line(deviation: Deviation) -> str:
    return "| " + " | ".join([*deviation[:-1], f"`{deviation.test}`"]) + " |"


def test_the_page_lists_exactly_the_deviations_of_the_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ")][1:]
    expected = [as_line(deviation) for deviation in DEVIATIONS.values()]
    assert table == expected, "docs/deviations.md should have:\n" + "\n".join(expected)


@pytest.mark.parametrize("deviation", DEVIATIONS.values(), ids=DEVIATIONS)
def test_every_deviation_is_pinned_by_a_test_that_exists(deviation: Deviation) -> None:
    path, _, name = deviation.test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
