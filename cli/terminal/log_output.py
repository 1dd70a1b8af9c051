"""EDGE: log lines to standard error, which nobody has to read.

1. a test starts a broker with stderr=PIPE and does not read it   2. after 64 KB of lines the pipe
is full   3. the next line would block the loop, and with it every client, for ever. So a line is
written only as far as there is room; the rest is kept for when there is, up to a bound, and beyond
it lines are left out and counted. How lines are made: broker/log_lines.py.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections import deque

from ...broker.log_lines import Event

KEPT_LINES_MAX = 5_000
# A pipe that poll() calls writable takes so many bytes without blocking: POSIX's PIPE_BUF.
BYTES_AT_ONCE = select.PIPE_BUF
FLUSH_S_MAX = 1.0


class LogOutput(logging.Handler):
    """Writes lines to a file descriptor, and never waits for who reads it.

    Args:
        descriptor: a file, a terminal or a pipe.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._room = select.poll()  # which, unlike select(), takes descriptors of any number
        self._room.register(descriptor, select.POLLOUT)
        self._kept: deque[bytes] = deque()
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or keep it for later."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001  a line that cannot be made must not end its maker's work
            self.handleError(record)
            return
        self._write_kept(0)
        if self._left_out and len(self._kept) < KEPT_LINES_MAX:
            count, self._left_out = self._left_out, 0
            self.emit(_left_out(count))
        if len(self._kept) >= KEPT_LINES_MAX:
            self._left_out += 1
            return
        self._kept += (line[at : at + BYTES_AT_ONCE] for at in range(0, len(line), BYTES_AT_ONCE))
        self._write_kept(0)

    def flush(self) -> None:
        """Write what is kept; gives up after FLUSH_S_MAX."""
        self._write_kept(FLUSH_S_MAX)

    def _write_kept(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        try:
            while self._kept:
                left_s = max(deadline - time.monotonic(), 0)
                if not self._room.poll(left_s * 1000):
                    return
                part = self._kept.popleft()
                written = os.write(self._descriptor, part)
                if written < len(part):
                    self._kept.appendleft(part[written:])
        except OSError:  # whoever read it is gone
            self._kept.clear()


def _left_out(count: int) -> logging.LogRecord:
    event = Event("log-lines-left-out", count=count, why="nobody reads standard error")
    return logging.LogRecord("minibroker", logging.WARNING, "", 0, event, None, None)
