"""`minibroker console` as a process: its ready line, its refusals, its end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from minibroker.cli.main import main
from minibroker.testing import TestBroker

WAIT_S = 30
READY = re.compile(r"minibroker console ready: (http://127\.0\.0\.1:\d+) \((.*)\)")


def console(*words: str, stdin: int | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "minibroker", "console", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, text=True)


async def test_it_says_where_it_is_and_ends_with_a_signal() -> None:
    async with TestBroker() as broker:
        at = ("--bootstrap-server", broker.bootstrap_servers, "--listen", "127.0.0.1:0")
        with console(*at, "--allow", "changes") as process:
            assert process.stdout is not None
            found = READY.match(process.stdout.readline())
            assert found, process.stderr and process.stderr.read()
            assert found[2] == "reading, changes"
            async with httpx.AsyncClient() as client:
                answer = await client.get(found[1], timeout=WAIT_S)
            assert answer.status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_S) == 128 + signal.SIGTERM
            assert process.stderr is not None
            assert process.stderr.read() == ""


async def test_as_a_child_it_ends_with_its_input() -> None:
    at = ("--bootstrap-server", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--until-input-ends")
    with console(*at, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert READY.match(process.stdout.readline())
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


def is_there(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_beside_a_broker_it_lives_as_long_as_that_even_if_killed() -> None:
    command = [
        sys.executable,
        "-m",
        "minibroker",
        "serve",
        "--listeners",
        "PLAINTEXT://127.0.0.1:0",
    ]
    command += ["--console", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"console=http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found
        port = int(found[1])
        assert is_there(port)
        process.kill()
        process.wait(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while is_there(port):  # no event reaches us of a process that is not our child
            assert time.monotonic() < deadline


def refused(*words: str) -> str:
    with console(*words) as process:
        _, said = process.communicate(timeout=WAIT_S)
        assert process.returncode == 2
        return said


def test_beyond_this_machine_nobody_is_let_in_without_a_login() -> None:
    said = refused("--listen", "0.0.0.0:0")
    assert "beyond this machine everybody must log in" in said


def test_without_its_packages_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("minibroker.cli.commands.console.find_spec", lambda name: None)
    for words in (["console"], ["serve", "--console", "127.0.0.1:0"]):
        assert main(words) == 1
        assert "pip install 'minibroker[console]'" in capsys.readouterr().err


def test_an_address_that_is_none_is_refused() -> None:
    assert "expected HOST:PORT" in refused("--listen", "127.0.0.1:http")
