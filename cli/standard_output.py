"""EDGE: what becomes of standard output when nobody reads it any more, or cannot show a letter."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def forget_reader() -> None:
    """Python flushes standard output once more at its end; let that go nowhere (`| head -1`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_every_letter() -> None:
    """A terminal that knows ASCII only gets \\u2026 for `…`, and no traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
