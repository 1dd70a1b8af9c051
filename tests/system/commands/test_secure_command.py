"""`minibroker secure`: what it writes starts a broker, and lets its user in, and nobody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from minibroker.broker.config.properties_file import parse_properties
from minibroker.broker.config.sources import Layer, load
from minibroker.broker.runtime import Runtime
from minibroker.cli.asking.command_config import Secured
from minibroker.cli.main import main
from minibroker.client import Admin

SECRET = ("broker.pem", "client.properties", "server.properties")


async def let_in(directory: Path, listeners: str) -> None:
    """Start a broker by what was written, and log in by what was written."""
    texts = parse_properties((directory / "server.properties").read_text())
    texts |= {"listeners": listeners, "advertised.listeners": listeners, "durability": "memory"}
    loaded = load([Layer("secure", texts)])
    assert not loaded.warnings
    runtime = Runtime(loaded.config, loaded.listeners)
    await runtime.start()
    try:
        secured = Secured(str(directory / "client.properties"), {})
        for bound in runtime.bound:
            async with Admin(f"127.0.0.1:{bound.port}", **secured.arguments) as admin:
                assert await admin.list_topics() == []
    finally:
        await runtime.stop()


async def test_what_is_written_lets_its_user_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "secure"
    assert main(["secure", str(directory), "--host", "broker.example"]) == 0
    told = capsys.readouterr().out
    password = told.partition("password: ")[2].partition("\n")[0]
    assert len(password) >= 32
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in SECRET:
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    await let_in(directory, "SASL_SSL://127.0.0.1:0")
    before = (directory / "client.properties").read_text()
    assert password in before
    assert main(["secure", str(directory)]) == 0
    again = capsys.readouterr()
    assert "nothing was changed" in again.out
    assert password not in again.out + again.err
    assert (directory / "client.properties").read_text() == before


async def test_several_listeners(tmp_path: Path) -> None:
    listeners = ["--listener", "CONTAINERS", "--listener", "HOST"]
    assert main(["secure", str(tmp_path / "s"), *listeners, "--user", "orders"]) == 0
    await let_in(tmp_path / "s", "CONTAINERS://127.0.0.1:0,HOST://127.0.0.1:0")


def test_what_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["secure", str(tmp_path / "s"), "--user", 'a"b']) == 1
    assert "letters, digits and _" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
