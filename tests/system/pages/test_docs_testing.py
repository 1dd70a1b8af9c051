"""Every Python block of docs/testing.md is a test file that passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from minibroker.testing.fault_control import FaultControl, Scope
from minibroker.testing.pytest_plugin import pytest_addoption

pytest_plugins = "pytester"

PAGE = (Path(__file__).parents[3] / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PLUGINS = ("-p", "minibroker.testing.pytest_plugin", "-p", "pytest_asyncio.plugin")
OPTIONS = (*PLUGINS, "-q", "--strict-markers", "-o", "asyncio_mode=auto")
BOUND_S = 300  # a bound for busy machines


def test_every_block_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(**{f"test_block_{n}": code for n, code in enumerate(BLOCKS)})
    count = sum(code.count("def test_") for code in BLOCKS)
    assert count > 10
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S)
    result.assert_outcomes(passed=count)


def test_every_fault_scope_and_fixture_is_named() -> None:
    faults = [
        name
        for name, method in vars(FaultControl).items()
        if callable(method) and not name.startswith("_") and name not in ("arm", "clear")
    ]
    plugin = Path(pytest_addoption.__code__.co_filename).read_text(encoding="utf-8")
    fixtures = re.findall(r"@pytest\.fixture.*\ndef (\w+)", plugin)
    assert len(fixtures) == 6
    for name in (*faults, *Scope.__annotations__, *fixtures):
        assert re.search(rf"\b{name}\b", PAGE), name
