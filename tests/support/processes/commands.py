"""EDGE: `minibroker` commands as processes of their own, without an interpreter's start for each.

    done = run("topics", "list", env={"BOOTSTRAP_SERVERS": broker.bootstrap_servers})
    with Command("consume", "orders", "--follow", stdout=PIPE) as running:
        running.send_signal(signal.SIGINT)

A command has its own pid, signals, environment and descriptors. It is forked by a process that has
imported everything (command_nursery.py), which takes a twentieth of the time. Whether a command
imports what it needs is for tests that start an interpreter: test_command_manners.py does for each.
Every wait is bounded.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess, TimeoutExpired
from threading import Thread
from types import TracebackType
from typing import IO, Self

from tests.support.repository import ROOT

MINIBROKER = "minibroker.cli.main"
MODULE = "tests.support.processes.command_nursery"
BOUND_S = 60.0
PART_BYTES = 4096


class Command:
    """A command that runs: as subprocess.Popen, of which it has what tests use.

    Args:
        stdin, stdout, stderr: a descriptor, PIPE or DEVNULL.
        env: beside the variables of this process.
        program: another one than `minibroker`: a module with a main().
    """

    def __init__(
        self,
        *words: str,
        stdin: int = DEVNULL,
        stdout: int = DEVNULL,
        stderr: int = DEVNULL,
        env: Mapping[str, str] | None = None,
        program: str = MINIBROKER,
    ) -> None:
        self.returncode: int | None = None
        self._words, self._said = words, b""
        with ExitStack() as ours, ExitStack() as theirs:
            self._told = ours.enter_context(socket.socket(socket.AF_UNIX))
            self._told.settimeout(BOUND_S)
            self._told.connect(nursery())
            given = [stdin, stdout, stderr]
            sides = [_sides(number, each, ours, theirs) for number, each in enumerate(given)]
            self.stdin, self.stdout, self.stderr = (side for side, _ in sides)
            order = {
                "program": program,
                "words": words,
                "env": {**os.environ, **(env or {})},
                "cwd": os.getcwd(),
            }
            text = json.dumps(order).encode() + b"\n"
            sent = socket.send_fds(self._told, [text], [other for _, other in sides])
            self._told.sendall(text[sent:])
            self.pid = self._number(BOUND_S)
            self._open = ours.pop_all()

    def wait(self, timeout: float) -> int:
        """Its exit code, when it has ended.

        Raises:
            TimeoutExpired: after `timeout` seconds.
        """
        if self.returncode is None:
            self.returncode = self._number(timeout)
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        with suppress(TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._open:
            if error is not None:
                self.kill()
            self.wait(BOUND_S)

    def _number(self, timeout: float) -> int:
        """The next line of what the nursery tells."""
        self._told.settimeout(timeout)
        try:
            while b"\n" not in self._said:
                part = self._told.recv(PART_BYTES)
                if not part:
                    raise RuntimeError(f"the nursery has ended: {self._words}")
                self._said += part
        except (TimeoutError, BlockingIOError):
            raise TimeoutExpired(self._words, timeout) from None
        line, _, self._said = self._said.partition(b"\n")
        return int(line)


def _sides(
    number: int, given: int, ours: ExitStack, theirs: ExitStack
) -> tuple[IO[bytes] | None, int]:
    """Our end of a standard descriptor, if it is a pipe, and the command's."""
    if given == DEVNULL:
        other = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, other)
        return None, other
    if given != PIPE:
        return None, given
    reading, writing = os.pipe()
    mine, other, mode = (writing, reading, "wb") if number == 0 else (reading, writing, "rb")
    theirs.callback(os.close, other)
    return ours.enter_context(open(mine, mode)), other


def run(
    *words: str,
    text: bytes = b"",
    env: Mapping[str, str] | None = None,
    timeout: float = BOUND_S,
    program: str = MINIBROKER,
) -> CompletedProcess[bytes]:
    """Run a command to its end.

    Args:
        text: what it reads from standard input, a pipe.
        env, program: as of a Command.
        timeout: in seconds; then it is killed, and TimeoutExpired raised.
    """
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        Command(
            *words,
            stdin=PIPE,
            stdout=output.fileno(),
            stderr=errors.fileno(),
            env=env,
            program=program,
        ) as running,
    ):
        assert running.stdin is not None
        # In a thread: a command that hangs would leave us in a pipe that is full.
        Thread(target=_feed, args=(running.stdin, text), daemon=True).start()
        code = running.wait(timeout)
        output.seek(0)
        errors.seek(0)
        return CompletedProcess(words, code, output.read(), errors.read())


def _feed(stdin: IO[bytes], text: bytes) -> None:
    with suppress(BrokenPipeError):  # it may end without having read everything
        stdin.write(text)
    with suppress(BrokenPipeError):
        stdin.close()


@cache
def nursery() -> str:
    """The socket of the process that forks commands, started when the first one is wanted."""
    with ExitStack() as until_exit:
        directory = tempfile.TemporaryDirectory(prefix="commands-")
        path = str(Path(until_exit.enter_context(directory)) / "orders")
        command = [sys.executable, "-m", MODULE, path]
        process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, cwd=ROOT)
        until_exit.enter_context(process)  # which closes its standard input
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{MODULE} has not started")
        atexit.register(until_exit.pop_all().close)
        return path
