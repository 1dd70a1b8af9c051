"""EDGE: what all commands do around their work: signals, a reader that goes away, errors in words.

    def run(args): return running("topics list", lambda: _list(args))

The first SIGINT or SIGTERM cancels the work, which has CLEAN_UP_S to say goodbye (a member leaves
its group); a second one ends the process at once. Either way the exit code is 128 + its number.
Nothing of this is needed by commands that hold no connection (log, healthcheck); what concerns
those too (Ctrl-C, a closed pipe) is caught once more in main.py.
Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from ...client.errors import ClientError
from .visible import visible_lines

CLEAN_UP_S = 5.0


class CommandFailed(Exception):
    """What was asked cannot be done; the text is for the user and says why."""

    exit_code = 1


class WrongUsage(CommandFailed):
    """The options do not go together, or name nothing there could be."""

    exit_code = 2


def no_topic(name: str) -> str:
    """What every command says where there is no such topic."""
    return f"there is no topic {name} (UNKNOWN_TOPIC_OR_PARTITION)"


# What a user's input, a broker or the network may bring about: said in a line, without a traceback.
TOLD = (CommandFailed, ClientError, ValueError)


def running(command: str, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command's coroutine to its exit code, whatever happens.

    Args:
        command: as the user typed it, without `minibroker`; errors begin with it.
    Raises: BrokenPipeError, for main.py.
    """
    try:
        return asyncio.run(_interruptible(work))
    except TOLD as error:
        complain(command, _words(error))
        return error.exit_code if isinstance(error, CommandFailed) else 1


def _words(error: Exception) -> str:
    """What is said of an error; of an unknown topic every command says the same."""
    subject, _, reason = str(error).partition(": ")
    if reason.startswith("UNKNOWN_TOPIC_OR_PARTITION") and subject.startswith("topic "):
        return no_topic(subject.removeprefix("topic "))
    return str(error)


def complain(command: str, text: str) -> None:
    """One line on standard error."""
    print(f"minibroker {command}: {visible_lines(text)}", file=sys.stderr)


async def _interruptible(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    received: list[int] = []

    def stop(number: int) -> None:
        if received:
            end_at_once(number)
        received.append(number)
        loop.call_later(CLEAN_UP_S, end_at_once, number)
        task.cancel()

    if threading.current_thread() is threading.main_thread():  # elsewhere Python has no signals
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]
    except TOLD:
        if not received:
            raise
        return 128 + received[0]  # what a cancelled wait says of itself is no news


def end_at_once(number: int) -> None:
    """As the signal would have without a handler: no clean-up, no traceback."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
