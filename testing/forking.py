"""EDGE: a process that imports once, then forks another for each order that comes in.

An order is a line of JSON on a connection of its own, which stays open between the two for as long
as both live. The forked one says its pid there, and takes over. What an order names as its
"directory" is removed at the end, should nobody else be left to. The other side is nursery.py.
Tests: tests/system/testing/test_child_broker.py
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from .child_wire import Call, line

CLEAN_UP_S = 5.0
CLEAN_UP_LOOK_S = 0.02


def run_nursery(
    path: str, be: Callable[[Call, socket.socket], None], preload: Callable[[], object]
) -> None:
    """Fork for each order until standard input ends.

    Args:
        path: of the socket to which orders come.
        be: what a forked process does for the rest of its life.
        preload: imports what those would import, each anew.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the test's; it tells us to end
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how one ended
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(128)
    os.write(1, b"ready\n")
    preload()
    directories: dict[int, str] = {}
    while True:
        readable, _, _ = select.select((server, sys.stdin), (), ())
        if sys.stdin in readable:
            _clean_up(path, directories)
            return
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as lines:
            order = json.loads(lines.readline())
            pid = os.fork()
            if not pid:
                _be(order, connection, server, be)
            if "directory" in order:
                directories[pid] = order["directory"]


def _be(
    order: Call,
    connection: socket.socket,
    server: socket.socket,
    be: Callable[[Call, socket.socket], None],
) -> None:
    status = 1
    try:
        server.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection.sendall(line({"pid": os.getpid()}))
        be(order, connection)
        status = 0
    except BaseException:  # noqa: BLE001  it ends, and nobody else would say why
        traceback.print_exc()
    finally:
        os._exit(status)


def _clean_up(path: str, directories: dict[int, str]) -> None:
    """Remove our temporary directories, should nobody else be left to: a test run may be killed."""
    until = time.monotonic() + CLEAN_UP_S
    for pid, directory in directories.items():
        while _is_alive(pid) and time.monotonic() < until:  # it ends with its lifeline
            time.sleep(CLEAN_UP_LOOK_S)
        shutil.rmtree(directory, ignore_errors=True)
    shutil.rmtree(Path(path).parent, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
