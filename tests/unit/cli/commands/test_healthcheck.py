"""EDGE: `minibroker healthcheck` asks where the broker beside it is configured to listen."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from minibroker.cli.main import main
from minibroker.testing import TestBroker

ANSWER = b"\x00\x00\x00\x08" + b"\x00\x00\x00\x01" + b"\x00\x00"


@pytest.fixture
def port() -> Iterator[int]:
    """Of somebody who answers one request as Kafka does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(ANSWER)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(0 if thread.is_alive() else None)


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "MINIBROKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BOOTSTRAP_SERVERS", "127.0.0.1:1")


def healthcheck(*options: str) -> int:
    return main(["healthcheck", *options])


def test_by_an_option(port: int) -> None:
    assert healthcheck("--bootstrap-server", f"127.0.0.1:{port}") == 0


def test_by_the_variable_of_clients(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert healthcheck() == 1
    monkeypatch.setenv("BOOTSTRAP_SERVERS", f"127.0.0.1:{port}")
    assert healthcheck() == 0


@pytest.mark.parametrize(
    "listeners",
    ["PLAINTEXT://0.0.0.0:{}", "PLAINTEXT://:{}", "A://127.0.0.1:{},B://127.0.0.1:2"],
)
def test_by_the_listeners_of_the_broker(
    listeners: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_LISTENERS", listeners.format(port))
    assert healthcheck() == 0


def test_by_what_is_advertised_alone(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://broker.example:{port}")
    assert healthcheck() == 0


def test_by_the_file_of_the_broker(
    port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "server.properties"
    file.write_text(f"listeners: PLAINTEXT://127.0.0.1:{port}\n", encoding="utf-8")
    monkeypatch.setenv("MINIBROKER_CONFIG", str(file))
    assert healthcheck() == 0


def test_a_configuration_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINIBROKER_CONFIG", "missing.properties")
    assert healthcheck() == 2
    assert "missing.properties" in capsys.readouterr().err


async def test_a_broker_with_tls_and_logins_is_asked_without_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ApiVersions needs no login; of its own broker it asks no certificate."""
    async with TestBroker(security="SASL_SSL") as broker:
        settings = broker.security.prepared.settings
        file = tmp_path / "server.properties"
        file.write_text("".join(f"{name}={text}\n" for name, text in settings.items()))
        monkeypatch.setenv("MINIBROKER_CONFIG", str(file))
        monkeypatch.setenv("KAFKA_LISTENERS", f"SASL_SSL://127.0.0.1:{broker.port}")
        assert await asyncio.to_thread(healthcheck) == 0
        here = ("--bootstrap-server", f"127.0.0.1:{broker.port}")
        config = ("--command-config", broker.security.write_properties())
        assert await asyncio.to_thread(healthcheck, *here, *config) == 0
        assert await asyncio.to_thread(healthcheck, *here) == 1
