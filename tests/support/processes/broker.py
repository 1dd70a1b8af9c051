"""EDGE: `minibroker serve` as a child process, for tests beside clients of any kind.

    with BrokerProcess(data_dir=tmp_path, durability="page-cache") as broker:
        connect(broker.bootstrap_servers)
        broker.kill()       # SIGKILL
        broker.start()      # again, on the same port and the same data

Blocking on purpose: the clients that need a process of its own beside them are blocking, too.
Every wait is bounded and ends in a BrokerProcessError that quotes what the broker wrote.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.support.processes.commands import Command

START_TIMEOUT_S = 60.0  # no more than a bound: a busy machine takes its time
STOP_TIMEOUT_S = 60.0
READY = re.compile(r"minibroker ready: .*?listeners=PLAINTEXT://127\.0\.0\.1:(\d+)")
RUN = "import sys; from minibroker.cli.main import main; sys.exit(main())"
QUOTED_BYTES = 8_000


class BrokerProcessError(Exception):
    """The broker did not start, did not stop, or ended on its own; quotes its standard error."""


class BrokerProcess:
    """One broker; its port and its data stay the same from start to start.

    Args:
        data_dir: None keeps everything in memory, so that a restart forgets it.
        durability: as in `minibroker serve`; None leaves the choice to the broker.
        settings: `--set NAME=VALUE` for each.
        options: further ones of `minibroker serve`.

    Attributes:
        ready_line: what the last start has printed.
    """

    program: ClassVar[Sequence[str]] = ("-c", RUN)

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        durability: str | None = None,
        settings: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._options: list[str] = [*options]
        if data_dir is not None:
            self._options += ["--log-dirs", str(data_dir)]
        if durability is not None:
            self._options += ["--durability", durability]
        for name, value in (settings or {}).items():
            self._options += ["--set", f"{name}={value}"]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        self._process: subprocess.Popen[bytes] | Command | None = None
        self.port = 0
        self.ready_line = ""

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """The end of what the broker has written to standard error, over all starts."""
        end = self._stderr.seek(0, 2)
        self._stderr.seek(max(0, end - QUOTED_BYTES))
        return self._stderr.read().decode(errors="replace")

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, neither by itself nor by us."""
        return self._process is not None and self._process.poll() is None

    def said_from(self, position: int) -> bytes:
        """Standard error from a byte position on; disturbs nobody who writes there."""
        descriptor = self._stderr.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size - position, position)

    def start(self) -> None:
        """Start it and wait until it answers."""
        listener = f"PLAINTEXT://127.0.0.1:{self.port}"
        self._stderr.seek(0, 2)
        self._process = self._begin(["serve", "--listeners", listener, *self._options])
        try:
            self.port = self._read_port(self._process)
        except BaseException:
            self.kill()
            raise

    def _begin(self, words: list[str]) -> subprocess.Popen[bytes] | Command:
        command = [sys.executable, *self.program, *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._stderr)

    def wait_for_end(self, timeout_s: float) -> int | None:
        """Give it that long to end by itself; returns its exit code, None if it still runs."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        process = self._take_process()
        if process is not None:
            process.kill()
            _reap(process)

    def stop(self) -> None:
        """SIGTERM; raises BrokerProcessError unless it ends with exit code 0 in time."""
        process = self._take_process()
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = _reap(process)
        except subprocess.TimeoutExpired:
            process.kill()
            _reap(process)
            text = f"the broker still ran {STOP_TIMEOUT_S} s after SIGTERM"
            raise BrokerProcessError(f"{text}\n{self.said}") from None
        if code != 0:
            raise BrokerProcessError(f"the broker ended with exit code {code}\n{self.said}")

    def restart(self) -> None:
        """Stop it cleanly and start it again."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._stderr.close()  # nobody calls __exit__ then
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.kill()
            print(f"--- standard error of the broker ---\n{self.said}")  # pytest shows it
        try:
            self.stop()
        finally:
            self._stderr.close()

    def _take_process(self) -> subprocess.Popen[bytes] | Command | None:
        process, self._process = self._process, None
        return process

    def _read_port(self, process: subprocess.Popen[bytes] | Command) -> int:
        """Wait for the ready line."""
        assert process.stdout is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        printed = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if not selector.select(left):
                    break
                data = process.stdout.read1()  # type: ignore[attr-defined]
                printed += data
                found = READY.search(printed.decode(errors="replace"))
                if found is not None and b"\n" in printed:
                    self.ready_line = printed.decode(errors="replace").partition("\n")[0]
                    return int(found.group(1))
                if not data:
                    break
        raise BrokerProcessError(
            f"no ready line; standard output: {printed.decode(errors='replace')!r}\n{self.said}"
        )


def _reap(process: subprocess.Popen[bytes] | Command) -> int:
    code = process.wait(STOP_TIMEOUT_S)
    with process:  # its pipes are closed
        return code


class ForkedBroker(BrokerProcess):
    """The same without an interpreter's start for each (commands.py)."""

    def _begin(self, words: list[str]) -> Command:
        return Command(*words, stdout=subprocess.PIPE, stderr=self._stderr.fileno())
