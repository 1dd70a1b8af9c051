"""EDGE: `minibroker serve` as a child process, for tests of the whole broker.

    with serve("--log-dirs", directory) as broker:
        connect(broker.bootstrap_server)

The block begins when the broker has said that it answers and ends with its end: SIGTERM unless the
test has killed or stopped it before. What the broker logs goes to the test's standard error.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20
MAIN = "import sys; from minibroker.cli.main import main; sys.exit(main())"


class Served:
    """A running broker; `bootstrap_server` is HOST:PORT of its first listener."""

    def __init__(self, process: subprocess.Popen[str], bootstrap_server: str) -> None:
        self.process = process
        self.bootstrap_server = bootstrap_server

    def stop(self) -> int:
        """End it with SIGTERM; returns its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def serve(*options: str, listeners: str = "PLAINTEXT://127.0.0.1:0") -> Iterator[Served]:
    """Run a broker with these options of `minibroker serve` and wait until it answers."""
    command = [sys.executable, "-c", MAIN, "serve", "--listeners", listeners, *options]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield Served(process, _wait_until_ready(process))
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    too_late = threading.Timer(READY_TIMEOUT_S, process.kill)
    too_late.start()
    try:
        line = process.stdout.readline()
    finally:
        too_late.cancel()
    ready = re.match(r"minibroker ready: listeners=\w+://([^\s,]+)", line)
    if ready is None:
        raise AssertionError(f"instead of its ready line the broker printed {line!r}")
    return ready.group(1)
