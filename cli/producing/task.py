"""EDGE: what both ways of sending have in common: the producer that was asked for, and Ctrl-C.

The first Ctrl-C ends the reading, and what was read has INTERRUPTED_MS to be confirmed; the second
ends at once. Until the producer has started, a signal ends everything (terminal/running.py).
Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import asyncio
import signal
from argparse import Namespace
from collections.abc import Callable
from functools import cached_property

from ...client.producer import Producer
from ..asking.reach import Reach
from ..terminal.running import end_at_once

INTERRUPTED_MS = 10_000


class Task:
    """One run of the command.

    Attributes:
        exit_code: what an interruption makes of it; 0 without one.
    """

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self.exit_code = 0
        self._separator = args.key_separator.encode() if args.key_separator else None
        self._main: asyncio.Task[object] | None = None
        self._stop: Callable[[], None] = lambda: None

    @cached_property
    def _reach(self) -> Reach:
        return Reach(self.args)  # once: it warns

    def producer(self) -> Producer:
        """As the options say. Raises ValueError: they contradict each other."""
        args = self.args
        return Producer(
            self._reach.servers,
            acks="all" if args.acks == "all" else 1 if args.acks == "1" else 0,
            enable_idempotence=args.enable_idempotence == "true",
            compression_type=args.compression_type,
            linger_ms=args.linger_ms,
            batch_size=args.batch_size,
            max_request_size=args.max_request_size,
            delivery_timeout_ms=args.delivery_timeout_ms,
            request_timeout_ms=args.request_timeout_ms,
            transactional_id=args.transactional_id,
            **self._reach.security,
            session=args.session,
            session_durability=args.session_durability,
        )

    def key_and_value(self, line: bytes) -> tuple[bytes | None, bytes]:
        """What a line is as a record."""
        if self._separator is None or self._separator not in line:
            return None, line
        key, _, value = line.partition(self._separator)
        return key, value

    def listen(self, stop: Callable[[], None]) -> None:
        """From here on lines are at stake: a signal calls `stop`, which ends the reading."""
        self._main = asyncio.current_task()
        self._stop = stop
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt, number)

    def _interrupt(self, number: int) -> None:
        """End the reading, and after INTERRUPTED_MS everything; the second time end at once."""
        if self.exit_code:
            end_at_once(number)
        self.exit_code = 128 + number
        self._stop()
        if self._main is not None:
            # Whatever still waits then (for room in the buffer, for a broker that is silent) is
            # cancelled, counted as not confirmed, and said.
            asyncio.get_running_loop().call_later(INTERRUPTED_MS / 1000, self._main.cancel)
