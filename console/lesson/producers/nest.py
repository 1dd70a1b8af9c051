"""EDGE: the process that forks producers of ours, so that one is there in a few milliseconds.

    python -m minibroker.console.lesson.producers.nest SOCKET

A forked one is program.py, with its lines on the connection by which it was ordered. Started by
ways.py.
Tests: tests/unit/console/lesson/test_process.py
"""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module
from typing import Any

from ....testing.forking import run_nursery
from .program import work

IMPORTED_LATER = ("minibroker.client.producer", "minibroker.client.session.session")


def be_producer(order: dict[str, Any], lifeline: socket.socket) -> None:
    """What a forked process does for the rest of its life."""
    errors = os.open(order["errors"], os.O_WRONLY | os.O_APPEND)
    os.dup2(errors, 2)
    lifeline.setblocking(True)
    for standard in (0, 1):
        os.dup2(lifeline.fileno(), standard)
    lifeline.close()  # hung up on, it shall be so at once
    work(order["task"])


def preload() -> None:
    """Import what a producer of ours would import, each anew."""
    for name in IMPORTED_LATER:
        import_module(name)


if __name__ == "__main__":
    run_nursery(sys.argv[1], be_producer, preload)
