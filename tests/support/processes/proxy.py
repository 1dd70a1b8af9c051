"""EDGE: the fault proxy as a child process, for tests with blocking clients."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOP_TIMEOUT_S = 10.0


class LosingProxy:
    """A running proxy.

    Attributes:
        bootstrap_servers: HOST:PORT for clients.
        counts: what it printed at its end: requests, outcomes, rules; empty before.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.counts: dict[str, Any] = {}

    @property
    def lost(self) -> int:
        """How many answers it has lost; known once it has ended."""
        fired: int = self.counts["rules"][0]["fired"]
        return fired


@contextmanager
def losing_proxy(upstream: str, *, lose_every: int) -> Iterator[LosingProxy]:
    """A proxy that loses every n-th Produce answer; ends with the block, then has its counts."""
    command = [sys.executable, "-m", "minibroker.testing.proxy"]
    options = ["--upstream", upstream, "--lose-every", str(lose_every)]
    process = subprocess.Popen(command + options, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()  # the child prints it at once, or ends
        proxy = LosingProxy(ready.strip().rpartition("//")[2])
        yield proxy
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=STOP_TIMEOUT_S)
        proxy.counts = json.loads(printed)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
