"""EDGE: the lines of a file or of standard input, with their places in it.

A line is what stands before a newline, otherwise byte for byte; what stands behind the last newline
is one, too. A thread reads, since neither files nor terminals can be awaited; at most READ_AHEAD
chunks wait.
Tests: tests/unit/cli/producing/test_lines.py, tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from itertools import accumulate
from typing import NamedTuple

from ..terminal.running import CommandFailed

CHUNK_BYTES = 256 * 1024
READ_AHEAD = 4


class Line(NamedTuple):
    """A line, without its newline.

    Attributes:
        end: the byte position behind it and its newline.
    """

    text: bytes
    end: int


class Lines:
    """Lines as they are read, made inside a running loop.

    Args:
        start: the byte position to begin at: the `end` of a line that was handed out before.

    Attributes:
        read_bytes: where the reading is: what is before it has been handed out, or is the begin of
            a line.
        is_over: whether there is nothing more to come.
    """

    def __init__(self, descriptor: int, *, start: int = 0) -> None:
        self.read_bytes = start
        self.is_over = False
        self._descriptor = descriptor
        self._start = start
        self._rest = b""
        self._is_stopped = False
        self._chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._room = threading.Semaphore(READ_AHEAD)
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Let the thread read."""
        threading.Thread(target=self._read, daemon=True).start()

    async def more(self) -> list[Line]:
        """The lines of the next chunk, which may be none.

        Raises:
            OSError: the input cannot be read.
            CommandFailed: it ends before `start`.
        """
        if self.is_over:
            return []
        chunk = await self._chunks.get()
        if isinstance(chunk, Exception):
            raise chunk
        if chunk is None:
            self.is_over = True
            rest, self._rest = self._rest, b""
            return [Line(rest, self.read_bytes)] if rest and not self._is_stopped else []
        self._room.release()
        start = self.read_bytes - len(self._rest)
        self.read_bytes += len(chunk)
        *texts, self._rest = (self._rest + chunk).split(b"\n")
        ends = accumulate((len(text) + 1 for text in texts), initial=start)
        next(ends)
        return [*map(Line, texts, ends)]

    def stop(self) -> None:
        """End behind what has been read; the begin of a line is none."""
        self._is_stopped = True
        self._chunks.put_nowait(None)

    def _read(self) -> None:
        """The thread: chunks until the end of the input."""
        try:
            chunk: bytes | Exception | None = self._first()
        except (OSError, CommandFailed) as error:
            chunk = error
        while self._hand_over(chunk) and isinstance(chunk, bytes):
            self._room.acquire()
            try:
                chunk = os.read(self._descriptor, CHUNK_BYTES) or None
            except OSError as error:
                chunk = error

    def _hand_over(self, chunk: bytes | Exception | None) -> bool:
        """Whether somebody takes it."""
        try:
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
        except RuntimeError:  # the loop has ended
            return False
        return True

    def _first(self) -> bytes | None:
        """The first chunk, from `start` on."""
        self._room.acquire()
        if not self._start:
            return os.read(self._descriptor, CHUNK_BYTES) or None
        # One byte before it tells whether a line ended there.
        passed, found = self._pass(self._start - 1), b""
        while passed == self._start - 1 and len(found) < 2:
            more = os.read(self._descriptor, CHUNK_BYTES)
            found += more
            if not more:
                break
        if passed < self._start - 1 or not found:
            raise CommandFailed(
                f"the input ends at byte {passed}, and {self._start} bytes of it were sent before: "
                "it is not the one that was sent"
            )
        # 1. A line without a newline was the end of a file, and sent  2. the file grows, and its
        # newline comes: that is the end of the line that was sent, and no empty line.
        if found[:1] != b"\n" and found[1:2] == b"\n":
            self._loop.call_soon_threadsafe(self._count_newline)
            return found[2:] or os.read(self._descriptor, CHUNK_BYTES) or None
        return found[1:] or None

    def _count_newline(self) -> None:
        self.read_bytes += 1

    def _pass(self, count: int) -> int:
        """Go on by `count` bytes; by how many there were, if those were fewer."""
        status = os.fstat(self._descriptor)
        if stat.S_ISREG(status.st_mode):
            here = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            passed = min(count, max(0, status.st_size - here))
            os.lseek(self._descriptor, passed, os.SEEK_CUR)
            return passed
        left = count
        while left and (dropped := os.read(self._descriptor, min(left, CHUNK_BYTES))):
            left -= len(dropped)
        return count - left


def opened(file: str | None) -> int:
    """A descriptor of what is read. Raises CommandFailed."""
    if file is None:
        return 0
    try:
        return os.open(file, os.O_RDONLY)
    except OSError as error:
        raise CommandFailed(f"--file {file}: {error.strerror}") from None
