"""EDGE: commands as people see them: played in a terminal, written down with masks."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from pathlib import Path
from subprocess import DEVNULL, PIPE

from tests.support.processes.commands import Command

BOUND_S = 30.0
ROWS = 50
# What differs from run to run: addresses, times, ids of topics, groups' members and producers.
MASKS = (
    (re.compile(r"127\.0\.0\.1:\d{4,5}"), "HOST:PORT"),
    (re.compile(r"\d{2}:\d{2}:\d{2}\.\d{3}"), "HH:MM:SS.mmm"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "TOPIC-ID"),
    (re.compile(r"\b\d{10,13}/(\d+) +"), r"PID/\1  "),
    (re.compile(r'"timestamp": \d{13}'), '"timestamp": NOW'),
    (re.compile(r"(?<=[ =])/tmp/\S+/"), "DIR/"),
)

USAGE = re.compile(r"(?m)^usage: .*(?:\n +\S.*)*")


def typed(words: list[str], env: dict[str, str], *, columns: int = 80, stdin: bytes = b"") -> str:
    """What appears in a terminal when the command runs there; its exit code, unless that is 0."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    source = PIPE if stdin else DEVNULL
    with Command(*words, stdin=source, stdout=theirs, stderr=theirs, env=env) as running:
        os.close(theirs)
        if stdin:
            assert running.stdin is not None
            running.stdin.write(stdin)
            running.stdin.close()
        shown = _read(ours)
        code = running.wait(BOUND_S)
    os.close(ours)
    text = shown.decode(errors="replace").replace("\r\n", "\n")
    return text if code == 0 else f"{text}[exit code {code}]\n"


def _read(terminal: int) -> bytes:
    """Everything until the other side closes."""
    until, shown = time.monotonic() + BOUND_S, bytearray()
    waiting = select.poll()
    waiting.register(terminal, select.POLLIN)
    while time.monotonic() < until:
        if not waiting.poll(100):
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux: nobody holds the other side any more
            break
        if not part:
            break
        shown += part
    return bytes(shown)


def masked(text: str) -> str:
    """The same in every run."""
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    # Each version of argparse breaks the lines of a usage elsewhere.
    return USAGE.sub(lambda found: " ".join(found[0].split()), text)


def transcript(steps: list[tuple[str, bytes]], env: dict[str, str], columns: int, cwd: Path) -> str:
    """A session: each command behind a `$`, and what it showed.

    Args:
        steps: a command without `minibroker`, and what it reads from standard input.
    """
    parts = []
    for line, stdin in steps:
        words = [word.replace("DIR/", f"{cwd}/") for word in line.split()]
        shown = masked(typed(words, env, columns=columns, stdin=stdin))
        given = f"   < {stdin.decode()!r}" if stdin else ""
        parts.append(f"$ minibroker {line}{given}\n{shown}")
    return "\n".join(parts)
