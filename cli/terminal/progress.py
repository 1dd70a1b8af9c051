"""EDGE: a progress bar on standard error, for what takes longer than a second.

Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

SHOWN_AFTER_S = 1.0


class Shown:
    """A progress bar for what takes a while, gone at the end; or nothing."""

    def __init__(self, progress: Progress | None, text: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=total) if progress else None
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

    def show(self, text: str, completed: int, total: int | None = None) -> None:
        """How far it has come; a total that is given replaces the one before."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed, description=text, total=total)


def bytes_of(file: str | None) -> Shown:
    """For a file that is read; none where somebody types the lines."""
    if not sys.stderr.isatty() or (file is None and sys.stdin.isatty()):
        return Shown(None, "", None)
    from rich.progress import DownloadColumn, TransferSpeedColumn

    progress = _progress(DownloadColumn(), TransferSpeedColumn())
    return Shown(progress, "sending", os.path.getsize(file) if file else None)


def counted(text: str) -> Shown:
    """For things that are counted, with the time that is left."""
    if not sys.stderr.isatty():
        return Shown(None, "", None)
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    return Shown(_progress(MofNCompleteColumn(), TimeRemainingColumn()), text, None)


def _progress(*columns: ProgressColumn) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    # What a command tells is data: left to itself, rich would print what goes to standard output on
    # the console of the bar, and `--json > file` would leave the file empty.
    return Progress(
        *(TextColumn("{task.description}"), BarColumn(), *columns),
        console=Console(stderr=True),
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )
