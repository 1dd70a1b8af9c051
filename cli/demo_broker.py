"""EDGE: the demo's broker: `minibroker serve` as a child process that can be killed."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
RUN = "import sys; from minibroker.cli.main import main; sys.exit(main())"
_READY = re.compile(rb"listeners=PLAINTEXT://127\.0\.0\.1:(\d+)")


class DemoFailed(Exception):
    """The demo cannot go on; the text says why, in the words of the child that failed."""


class DemoBroker:
    """A broker on its own data directory; its port stays the same over restarts.

    Args:
        data_dir: an empty directory for its data; its log goes to a file beside the data.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir / "data"
        self._log = data_dir / "broker.log"
        self._process: Process | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """Its log so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def start(self) -> None:
        """Start it and wait until it answers. Raises DemoFailed."""
        listener = f"PLAINTEXT://127.0.0.1:{self.port}"
        options = ("--listeners", listener, "--log-dirs", str(self._data_dir))
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", RUN, "serve", *options, stdout=PIPE, stderr=log
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                said = await self._process.stdout.readline()
        except TimeoutError:
            said = b""
        ready = _READY.search(said)
        if ready is None:
            raise DemoFailed("the broker did not start")
        self.port = int(ready.group(1))

    async def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
