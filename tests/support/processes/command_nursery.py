"""EDGE: the process that forks `minibroker` commands for tests (commands.py), imported once.

    python -m tests.support.processes.command_nursery SOCKET

Each connection is one command. There comes a line of JSON (program, words, env, cwd), and with its
first byte three descriptors: standard input, output and error. Back go the pid, and at its end the
exit code as subprocess.Popen would know it, a line each. All ends when standard input does. A
program is a module with main() -> int | None; its words stand in sys.argv.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from minibroker.broker.apis.served import SERVED
from minibroker.cli.parsers import COMMANDS, module_of
from minibroker.protocol.apis import request_type

STANDARD = 3
PART_BYTES = 65_536
FLUSH_FAILED = 120  # the exit code of an interpreter that cannot write what was printed
# What commands import in their functions, so that those who need it not start sooner.
IMPORTED_LATER = (
    "minibroker.cli.main",
    "minibroker.client",
    "minibroker.client.security.security",
    "minibroker.testing.fault_file",
    "rich.progress",
    "rich.table",
)


class Nursery:
    """The commands that run, and those who wait for their ends."""

    def __init__(self, path: str) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(128)
        self._ended, self._wakes = socket.socketpair()
        self._ended.setblocking(False)
        self._wakes.setblocking(False)
        signal.set_wakeup_fd(self._wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._waiting: dict[int, socket.socket] = {}  # by pid

    def run(self) -> None:
        """Fork a command for each connection until standard input ends."""
        while True:
            ready, _, _ = select.select((self._listening, self._ended, sys.stdin), (), ())
            if sys.stdin in ready:
                break
            if self._ended in ready:
                self._ended.recv(PART_BYTES)
                self._tell_ends()
            if self._listening in ready:
                self._fork(self._listening.accept()[0])
        for pid in self._waiting:
            os.kill(pid, signal.SIGKILL)

    def _fork(self, connection: socket.socket) -> None:
        text, standard, _, _ = socket.recv_fds(connection, PART_BYTES, STANDARD)
        while not text.endswith(b"\n"):
            text += connection.recv(PART_BYTES)
        order = json.loads(text)
        with suppress(Exception):  # the command itself tells it
            import_module(order["program"])  # here: the next one finds it
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for each in (self._listening, self._ended, self._wakes, *self._waiting.values()):
                each.close()
            connection.close()
            _be_command(order, standard)
        for descriptor in standard:
            os.close(descriptor)
        connection.sendall(b"%d\n" % pid)
        self._waiting[pid] = connection

    def _tell_ends(self) -> None:
        while self._waiting:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with self._waiting.pop(pid) as connection:
                connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _be_command(order: dict[str, Any], standard: list[int]) -> None:
    """What a forked process does for the rest of its life."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        _take(standard)
        sys.argv = [order["program"], *order["words"]]
        code = import_module(order["program"]).main() or 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        else:
            code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        _end(code)


def _take(standard: list[int]) -> None:
    """Have at 0, 1 and 2 what was ordered, as an interpreter that starts there."""
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115  for good
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding, "backslashreplace", closefd=False)  # noqa: SIM115


def _end(code: int) -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = FLUSH_FAILED
    finally:
        os._exit(code)


def _import_all() -> None:
    for each in COMMANDS:
        module_of(each)
    for name in IMPORTED_LATER:
        import_module(name)
    if find_spec("uvloop") is not None:
        import_module("uvloop")
    for api in SERVED.values():
        request_type(api.key)
    gc.collect()
    gc.freeze()  # a collection in a command would copy the pages of all that


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the test's; it tells us to end
    _import_all()
    nursery = Nursery(sys.argv[1])
    os.write(1, b"ready\n")
    nursery.run()
