"""EDGE: what to do when nobody reads standard output any more (`| head -1`)."""

from __future__ import annotations

import os
import sys


def forget_reader() -> None:
    """Python flushes standard output once more at its end; let that go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
