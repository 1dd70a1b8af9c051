"""EDGE: producers of the lesson and the story as processes without an interpreter's start for each.

    with forked_producers():
        await ProducerProcess.started("ours", ...)

What asyncio would start as `python -m MODULE` is forked (commands.py); it has a pid of its own, can
be killed, and ends as its standard input does. tests/interop/commands/test_demo.py starts them all
as a user's command does.
"""

from __future__ import annotations

import asyncio
from asyncio.streams import FlowControlMixin
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE
from typing import IO, Any

import pytest

from tests.support.processes.commands import BOUND_S, Command


class ForkedProcess:
    """What is used of asyncio.subprocess.Process."""

    def __init__(
        self, command: Command, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader
    ) -> None:
        self._command = command
        self._has_gone = False
        self.pid = command.pid
        self.stdin = stdin
        self.stdout = stdout

    @classmethod
    async def started(cls, module: str, errors: IO[bytes]) -> ForkedProcess:
        """A module with a main(), forked."""
        loop = asyncio.get_running_loop()
        command = await asyncio.to_thread(
            lambda: Command(stdin=PIPE, stdout=PIPE, stderr=errors.fileno(), program=module)
        )
        reader = asyncio.StreamReader()
        reading = asyncio.StreamReaderProtocol(reader)
        await loop.connect_read_pipe(lambda: reading, command.stdout)
        writing, protocol = await loop.connect_write_pipe(FlowControlMixin, command.stdin)
        return cls(command, asyncio.StreamWriter(writing, protocol, None, loop), reader)

    @property
    def returncode(self) -> int | None:
        """Its exit code, when somebody has waited for it."""
        return self._command.returncode

    async def wait(self) -> int:
        """Its exit code, when it has ended."""
        code = await asyncio.to_thread(self._command.wait, BOUND_S)
        if not self._has_gone:
            self._has_gone = True
            self.stdin.close()
            await self.stdout.read()  # to its end, which closes the pipe
            self._command.__exit__(None, None, None)
        return code


@contextmanager
def forked_producers() -> Iterator[None]:
    """Fork, for as long as this lasts, what asyncio is told to start as `python -m MODULE`."""
    begin = asyncio.create_subprocess_exec

    async def forked(*words: str, **options: Any) -> Any:
        if len(words) == 3 and words[1] == "-m":
            return await ForkedProcess.started(words[2], options["stderr"])
        return await begin(*words, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", forked)
        yield
