"""EDGE: what becomes of standard output when nobody reads it any more, or cannot show a letter.

Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def forget_reader() -> None:
    """Python flushes standard output once more at its end; let that go nowhere (`| head -1`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def hold_standard_descriptors() -> None:
    """Open what of 0, 1 and 2 is closed (`>&-`): a data file must never get such a number.

    1. standard error is closed  2. a segment is opened, as descriptor 2  3. something writes a
    warning there: into the records.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  for good
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def say(*lines: str) -> str:
    """Print lines at once; returns why that was not possible, "" if it was.

    For who goes on without a reader: standard output may be closed, or on a full disk.
    """
    try:
        print(*lines, sep="\n", flush=True)
    except OSError as error:
        forget_reader()
        return error.strerror or str(error)
    return ""


def show_every_letter() -> None:
    """A terminal that knows ASCII only gets \\u2026 for `…`, and no traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
