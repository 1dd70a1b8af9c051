"""EDGE: commands among people: Ctrl-C, pipes that close, terminals, servers that say nothing."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen

import pytest
from minibroker.testing import ChildBroker

from tests.support.processes import commands
from tests.support.processes.commands import Command

BOUND_S = 30
COMMAND = (sys.executable, "-m", "minibroker")
# Each command that holds a connection, in a form that waits for the broker.
ASKING = {
    "produce": ["produce", "t", "--file", os.devnull],
    "consume": ["consume", "t"],
    "consume in a group": ["consume", "t", "--group", "g"],
    "topics": ["topics", "list"],
    "groups": ["groups", "list"],
    "configs": ["configs", "describe", "--entity-type", "brokers"],
    "explain": ["explain", "t"],
    "probe": ["probe"],
}


@pytest.fixture(scope="module")
def broker() -> Iterator[ChildBroker]:
    with ChildBroker() as running:
        running.create_topic("orders")
        yield running


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(BOUND_S)
        yield listening


def name_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()
    return f"{host}:{port}"


def interpreted(*words: str) -> Popen[bytes]:
    """A command with an interpreter of its own, so that it imports what it needs by itself."""
    return Popen([*COMMAND, *words], stdout=PIPE, stderr=PIPE)


def forked(*words: str) -> Command:
    return Command(*words, stdout=PIPE, stderr=PIPE)


@pytest.mark.parametrize("words", ASKING.values(), ids=ASKING)
@pytest.mark.parametrize(
    ("number", "begun"), [(signal.SIGINT, interpreted), (signal.SIGTERM, forked)]
)
def test_a_signal_ends_a_command_that_is_connecting(
    words: list[str],
    number: int,
    begun: Callable[..., Popen[bytes] | Command],
    black_hole: socket.socket,
) -> None:
    here = ("--bootstrap-server", name_of(black_hole))
    with begun(*words, *here) as running:
        connection, _ = black_hole.accept()
        with connection:
            running.send_signal(number)
            code = running.wait(BOUND_S)
        assert running.stdout is not None
        assert running.stderr is not None
        said = running.stdout.read() + running.stderr.read()
    assert (code, said) == (128 + number, b"")


def test_the_first_ctrl_c_ends_following(broker: ChildBroker) -> None:
    words = ["consume", "orders", "--follow", "--from-beginning"]
    produce(broker, b"here\n")
    here = ("--bootstrap-server", broker.bootstrap_servers)
    with Command(*words, *here, stdout=PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"here\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(BOUND_S) == 130


@pytest.mark.parametrize(
    "words",
    [["--help"], ["topics", "--help"], ["consume", "orders", "--from-beginning"]],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_news(broker: ChildBroker, words: list[str]) -> None:
    produce(broker, b"x" * 100 + b"\n")
    reading, writing = os.pipe()
    os.close(reading)
    # An interpreter of its own: what it says at its very end counts.
    done = subprocess.run(
        [*COMMAND, *words],
        env={**os.environ, "BOOTSTRAP_SERVERS": broker.bootstrap_servers},
        stdout=writing,
        stderr=PIPE,
        timeout=BOUND_S,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_receipts_go_to_the_file_though_a_bar_is_on_the_terminal(
    broker: ChildBroker, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"a\nb\n")
    terminal, side = pty.openpty()
    receipts = tmp_path / "receipts"
    with receipts.open("wb") as output:
        words = ["produce", "orders", "--file", str(lines), "--json"]
        here = ("--bootstrap-server", broker.bootstrap_servers)
        with Command(*words, *here, stdin=side, stdout=output.fileno(), stderr=side) as running:
            assert running.wait(BOUND_S) == 0
    os.close(side)
    os.close(terminal)
    assert [json.loads(line)["topic"] for line in receipts.read_text().splitlines()] == [
        "orders",
        "orders",
    ]


def test_a_terminal_of_ascii_gets_every_letter(broker: ChildBroker) -> None:
    words = ["produce", "--help"]
    done = commands.run(*words, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")


def test_errors_name_options_and_lines(broker: ChildBroker, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"a\n" + b"b" * 2000 + b"\n")
    sent = run(broker, "produce", "orders", "--file", str(lines), "--max-request-size", "1000")
    assert sent.returncode == 1
    assert b"line 2: " in sent.stderr
    missing = run(broker, "produce", "orders", "--file", str(tmp_path / "none"))
    assert f"--file {tmp_path / 'none'}: No such file" in missing.stderr.decode()
    behind = run(broker, "consume", "orders", "--offset", "1000000")
    assert behind.returncode == 1
    assert b"--offset 1000000: orders 0 ends at offset" in behind.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["consume", "nowhere"],
        ["consume", "nowhere", "--group", "g"],
        ["explain", "nowhere"],
        ["topics", "describe", "nowhere"],
        ["topics", "delete", "nowhere"],
        ["configs", "describe", "--entity-type", "topics", "--entity-name", "nowhere"],
        ["groups", "reset-offsets", "--group", "g", "--topic", "nowhere", "--to-earliest"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_command_says_the_same_of_an_unknown_topic(
    broker: ChildBroker, words: list[str]
) -> None:
    said = run(broker, *words)
    assert said.returncode == 1
    assert b"there is no topic nowhere (UNKNOWN_TOPIC_OR_PARTITION)" in said.stderr


def produce(broker: ChildBroker, lines: bytes) -> None:
    run(broker, "produce", "orders", text=lines).check_returncode()


def run(broker: ChildBroker, *words: str, text: bytes = b"") -> CompletedProcess[bytes]:
    return commands.run(*words, "--bootstrap-server", broker.bootstrap_servers, text=text)
