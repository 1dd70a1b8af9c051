"""EDGE: the two ways to have a process that sends: an interpreter of its own, or one forked.

Either speaks lines, and can be killed. Forked (nest.py) it is there in a few milliseconds, and has
our client; an interpreter takes any library there is.
Tests: tests/unit/console/lesson/test_process.py
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from socket import socket
from typing import IO, Any, Self

from ....testing.nursery import nursery
from ..threads import in_thread

PROGRAM = f"{__package__}.program"
NEST = f"{__package__}.nest"
PID_TIMEOUT_S = 60.0


class Way(ABC):
    """A process to talk to."""

    @abstractmethod
    def tell(self, line: bytes) -> None:
        """Send a line."""

    @abstractmethod
    async def heard(self) -> bytes:
        """The next line of it; b"" once it has ended."""

    @abstractmethod
    def hang_up(self) -> None:
        """End its input: it ends, too."""

    @abstractmethod
    async def ended(self) -> None:
        """Return when it is gone."""

    @abstractmethod
    async def kill(self) -> None:
        """SIGKILL, unless it has ended; returns when it is gone."""


class Interpreter(Way):
    """An interpreter of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input, self._output = process.stdin, process.stdout

    @classmethod
    async def started(cls, task: dict[str, Any], errors: IO[bytes]) -> Self:
        """One that runs the program; what it says to standard error goes to a file."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", PROGRAM, stdin=PIPE, stdout=PIPE, stderr=errors
        )
        made = cls(process)
        made.tell(json.dumps(task).encode() + b"\n")
        return made

    def tell(self, line: bytes) -> None:
        self._input.write(line)

    async def heard(self) -> bytes:
        return await self._output.readline()

    def hang_up(self) -> None:
        self._input.close()

    async def ended(self) -> None:
        await self._process.wait()

    async def kill(self) -> None:
        if self._process.returncode is None:
            # 1. the process has just ended of itself   2. Process.kill() polls first, and takes
            # the exit status   3. the event loop's own wait finds no child, and says so on stderr.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()


class Forked(Way):
    """One that was forked; the connection to it ends with it."""

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._pid = pid
        self._reader = reader
        self._writer = writer

    @classmethod
    async def started(cls, task: dict[str, Any], errors: IO[bytes]) -> Self:
        """One of our client; `errors` has a name, and takes what it says to standard error.

        Raises: NurseryFailed, OSError, TimeoutError: none could be forked.
        """
        order = {"task": task, "errors": errors.name}
        lifeline = await in_thread(lambda: nursery(NEST).fork(order), undo=socket.close)
        lifeline.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=lifeline)
        try:
            async with asyncio.timeout(PID_TIMEOUT_S):
                pid = json.loads(await reader.readline())["pid"]
        except BaseException:
            writer.close()
            raise
        return cls(pid, reader, writer)

    def tell(self, line: bytes) -> None:
        self._writer.write(line)

    async def heard(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""  # it ended, and had not read all it was told

    def hang_up(self) -> None:
        self._writer.write_eof()

    async def ended(self) -> None:
        while await self.heard():
            pass
        self._writer.close()

    async def kill(self) -> None:
        if not self._reader.at_eof() and not self._writer.is_closing():
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        await self.ended()
