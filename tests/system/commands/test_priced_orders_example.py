"""The example with process(): its worker is killed in the middle; every order is priced once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest_plugins = "pytester"

EXAMPLE = Path(__file__).parents[3] / "examples" / "priced_orders"
OPTIONS = ("-p", "no:minibroker", "-p", "minibroker.testing.pytest_plugin", "-q")
BOUND_S = 300  # a bound for busy machines


def test_it_passes_as_it_is(pytester: pytest.Pytester) -> None:
    for file in EXAMPLE.glob("*.py"):
        shutil.copy(file, pytester.path)
        assert len(file.read_text(encoding="utf-8").splitlines()) < 100
    pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S).assert_outcomes(passed=1)
