"""EDGE: `minibroker serve` where things go wrong around it: signals, outputs, its directory."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from minibroker.client import Producer
from minibroker.client.errors import ClientError

from tests.support.directories.data_directories import ends_found, full_directory, snapshot
from tests.support.in_loop.looking import pause
from tests.support.processes.broker import ForkedBroker
from tests.support.processes.commands import Command
from tests.support.sizes import size

RUN = "import sys; from minibroker.cli.main import main; sys.exit(main())"
WAIT_S = 20.0
NOTICED_S = 5.0
LOOK_S = 0.005


# An interpreter starts otherwise without them, so these are no forks.
CLOSED = ["2>&-", "<&- >&- 2>&-", ">/dev/full", ">&-", ">&- 2>&-"][: size(fast=3, whole=5)]


def serving(root: Path, *options: str) -> list[str]:
    listeners = ("--listeners", "PLAINTEXT://127.0.0.1:0")
    return ["serve", *listeners, "--log-dirs", str(root), *options]


def until(condition: Callable[[], bool]) -> None:
    """Look again and again; AssertionError after WAIT_S."""
    deadline, pause = time.monotonic() + WAIT_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(LOOK_S)


@contextmanager
def running(words: list[str], stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(words, stdout=stdout) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_starting_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    root = full_directory(tmp_path / "data")
    rules = tmp_path / "faults.yaml"
    rules.write_text("- delay: {at: read, path: meta.properties, delay_ms: 60000}\n")
    words = serving(root, "--faults", str(rules))
    with (
        tempfile.TemporaryFile() as errors,
        Command(*words, stderr=errors.fileno()) as process,
    ):
        until(lambda: (root / ".lock").read_text() == f"{process.pid}\n")
        process.send_signal(number)
        code = process.wait(WAIT_S)
        errors.seek(0)
        said = errors.read()
    assert code == 0, said
    assert b"Traceback" not in said
    assert b"while_starting=true" in said
    assert ends_found(root) == {"billing-0": 6, "orders-0": 6, "orders-1": 6}


@pytest.mark.parametrize("closed", CLOSED)
def test_a_broker_nobody_listens_to_starts_and_stops(tmp_path: Path, closed: str) -> None:
    root = tmp_path / "data"
    words = [sys.executable, "-c", RUN, *serving(root)]
    shell = f"exec {' '.join(map(repr, words))} {closed}"
    with running(["/bin/sh", "-c", shell], stdout=subprocess.DEVNULL) as process:
        until(lambda: (root / "recovery-points").exists() and (root / "reserve").exists())
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    for name in snapshot(root).values():
        assert b"level=" not in name[1], "a log line got into a file of the broker"


def move_away(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


def replace(root: Path) -> None:
    move_away(root)
    root.mkdir()


def lose_metadata(root: Path) -> None:
    (root / "__cluster_metadata-0").rename(root.with_name("elsewhere"))


def lose_lock(root: Path) -> None:
    (root / ".lock").unlink()


async def send_until_refused(bootstrap_servers: str, change: Callable[[], None]) -> float:
    """Send record after record; the seconds from the change to the last acknowledgement."""
    loop = asyncio.get_running_loop()
    changed_at = acknowledged_at = loop.time()
    async with Producer(
        bootstrap_servers=bootstrap_servers, delivery_timeout_ms=1000, request_timeout_ms=500
    ) as producer:
        await producer.send_and_wait("orders", b"first")
        change()
        changed_at = loop.time()
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    await producer.send_and_wait("orders", b"more")
                    acknowledged_at = loop.time()
                    await pause()
        except ClientError:
            return acknowledged_at - changed_at


@pytest.mark.parametrize("change", [move_away, replace, lose_metadata, lose_lock])
@pytest.mark.parametrize("durability", ["fsync", "page-cache"])
def test_a_directory_that_is_gone_ends_the_broker_and_all_acknowledgements(
    tmp_path: Path, change: Callable[[Path], None], durability: str
) -> None:
    root = tmp_path / "data"
    with ForkedBroker(data_dir=root, durability=durability) as broker:
        wait = send_until_refused(broker.bootstrap_servers, lambda: change(root))
        assert asyncio.run(wait) < NOTICED_S
        assert broker.wait_for_end(WAIT_S) == 1
        said = broker.said
        broker.kill()  # it has ended by itself
    assert "event=data-directory-lost" in said
    assert "running broker" in said or "No such file" in said
