"""EDGE: commands among people: Ctrl-C, pipes that close, terminals, servers that say nothing."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from minibroker.testing import ChildBroker

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


@pytest.mark.parametrize("words", ASKING.values(), ids=ASKING)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_that_is_connecting(
    words: list[str], number: int, black_hole: socket.socket
) -> None:
    with subprocess.Popen(
        [*COMMAND, *words, "--bootstrap-server", name_of(black_hole)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        connection, _ = black_hole.accept()
        with connection:
            running.send_signal(number)
            out, err = running.communicate(timeout=BOUND_S)
    assert (running.returncode, out, err) == (128 + number, "", "")


def test_the_first_ctrl_c_ends_following(broker: ChildBroker) -> None:
    words = ["consume", "orders", "--follow", "--from-beginning"]
    produce(broker, b"here\n")
    with subprocess.Popen(
        [*COMMAND, *words, "--bootstrap-server", broker.bootstrap_servers], stdout=subprocess.PIPE
    ) as running:
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
    done = subprocess.run(
        [*COMMAND, *words],
        env={**os.environ, "BOOTSTRAP_SERVERS": broker.bootstrap_servers},
        stdout=writing,
        stderr=subprocess.PIPE,
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
        done = subprocess.run(
            [*COMMAND, *words, "--bootstrap-server", broker.bootstrap_servers],
            stdin=side,
            stdout=output,
            stderr=side,
            timeout=BOUND_S,
            check=True,
        )
    os.close(side)
    os.close(terminal)
    assert done.returncode == 0
    assert [json.loads(line)["topic"] for line in receipts.read_text().splitlines()] == [
        "orders",
        "orders",
    ]


def test_a_terminal_of_ascii_gets_every_letter(broker: ChildBroker) -> None:
    words = ["produce", "--help"]
    done = subprocess.run(
        [*COMMAND, *words],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=BOUND_S,
        check=True,
    )
    assert done.stderr == b""


def test_errors_name_options_and_lines(broker: ChildBroker, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_bytes(b"a\n" + b"b" * 2000 + b"\n")
    sent = run(broker, "produce", "orders", "--file", str(lines), "--max-request-size", "1000")
    assert sent.returncode == 1
    assert "line 2: " in sent.stderr
    missing = run(broker, "produce", "orders", "--file", str(tmp_path / "none"))
    assert f"--file {tmp_path / 'none'}: No such file" in missing.stderr
    behind = run(broker, "consume", "orders", "--offset", "1000000")
    assert behind.returncode == 1
    assert "--offset 1000000: orders 0 ends at offset" in behind.stderr


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
    assert "there is no topic nowhere (UNKNOWN_TOPIC_OR_PARTITION)" in said.stderr


def produce(broker: ChildBroker, lines: bytes) -> None:
    subprocess.run(
        [*COMMAND, "produce", "orders", "--bootstrap-server", broker.bootstrap_servers],
        input=lines,
        capture_output=True,
        timeout=BOUND_S,
        check=True,
    )


def run(broker: ChildBroker, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words, "--bootstrap-server", broker.bootstrap_servers],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
