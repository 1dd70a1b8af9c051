"""EDGE: the progress bar of `minibroker produce`, on standard error.

Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

SHOWN_AFTER_S = 1.0


class Shown:
    """A progress bar for what takes a while, gone at the end; or nothing."""

    def __init__(self, progress: Progress | None, bytes_total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task("sending", total=bytes_total) if progress else None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Shown:
        if self._progress is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SHOWN_AFTER_S, self._progress.start)
        return self

    def __exit__(self, *error: object) -> None:
        if self._timer is not None and self._progress is not None:
            self._timer.cancel()
            self._progress.stop()

    def show(self, stored: int, read_bytes: int) -> None:
        """What has been read and what of it was confirmed."""
        if self._progress is not None and self._task is not None:
            text = f"{stored:,} confirmed"
            self._progress.update(self._task, completed=read_bytes, description=text)


def progress_of(file: str | None) -> Shown:
    """A bar on standard error, if that is a terminal and nobody types the lines."""
    if not sys.stderr.isatty() or (file is None and sys.stdin.isatty()):
        return Shown(None, None)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    # Receipts are data: left to itself, rich would print what goes to standard output on the
    # console of the bar, and `--json > file` would leave the file empty.
    progress = Progress(
        *columns,
        console=Console(stderr=True),
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )
    return Shown(progress, os.path.getsize(file) if file else None)
