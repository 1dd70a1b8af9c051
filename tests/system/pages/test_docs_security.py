"""Every Python block of docs/security.md is a test file that passes; its properties are known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from minibroker.broker.config.properties_file import parse_properties
from minibroker.cli.asking.client_properties import client_properties
from minibroker.client.config import ConnectionConfig

pytest_plugins = "pytester"

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PLUGINS = ("-p", "minibroker.testing.pytest_plugin", "-p", "pytest_asyncio.plugin")
OPTIONS = (*PLUGINS, "-q", "--strict-markers", "-o", "asyncio_mode=auto")
BOUND_S = 300  # a bound for busy machines


def test_every_block_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(**{f"test_block_{n}": code for n, code in enumerate(BLOCKS)})
    count = sum(code.count("def test_") for code in BLOCKS)
    assert count > 3
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S)
    result.assert_outcomes(passed=count)


def test_a_clients_properties_are_taken() -> None:
    server, rights, client = re.findall(
        r"^```properties\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
    assert "listeners=SASL_SSL" in server
    assert "super.users=User:admin" in rights
    found = client_properties(parse_properties(client))
    assert found.protocol == "SASL_SSL"
    assert found.login is not None


def test_every_option_is_told() -> None:
    names = ConnectionConfig.__dataclass_fields__
    for name in names:
        if name.startswith(("ssl_", "sasl_", "security_")):
            assert f"`{name}`" in PAGE, name
