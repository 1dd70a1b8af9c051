"""EDGE: `minibroker produce --transactional-id ID`: lines are committed together, N at a time.

A transaction begins when its lines are there: --transaction-lines of them, or what has come
GATHERED_S after the first of them, or when the input ends. So none is open while nobody types. One
that is aborted for a reason that may pass is done again, the same lines, TRIES times in all. Lines
are always in up to one line, and behind it none is; it is said which, so that whoever goes on knows
where. Of a single transaction the end may be unknown, which is said as well.
Tests: tests/system/commands/test_produce_transactions.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Sequence

from ...client.errors import Abortable, ClientError, Fatal, Retriable
from ...client.partitions import RecordMetadata
from ...client.producer import Producer
from ..terminal.progress import bytes_of
from ..terminal.running import CommandFailed, complain
from ..terminal.visible import visible
from .lines import Line, Lines, opened
from .task import Task

GATHERED_S = 1.0
TRIES = 3


class InTransactions:
    """One run of the command."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self._task = Task(args)
        self._gathered: deque[Line] = deque()
        self._stored = 0
        self._transactions = 0
        self._open = 0  # lines of the transaction that is under way
        self._is_asked = False  # its commit

    async def send_all(self) -> int:
        """Send everything; returns the exit code. Raises BrokenPipeError, CommandFailed."""
        lines = Lines(opened(self._args.file))
        producer = self._task.producer()
        failure: BaseException | None = None
        await producer.start()
        self._task.listen(lines.stop)
        lines.begin()
        try:
            with bytes_of(self._args.file) as progress:
                while taken := await self._gather(lines):
                    self._print(await self._store(producer, taken))
                    progress.show(f"{self._stored:,} confirmed", taken[-1].end)
        except (ClientError, OSError, CommandFailed, asyncio.CancelledError) as error:
            failure = error
        finally:
            await producer.stop(None if failure is None else 0)
        if isinstance(failure, BrokenPipeError):
            raise failure
        return self._report(failure)

    async def _gather(self, lines: Lines) -> list[Line]:
        """The lines of the next transaction; none at the end, or when interrupted. Raises OSError.

        Whatever was gathered when a signal came is not begun any more.
        """
        wanted: int = self._args.transaction_lines
        loop = asyncio.get_running_loop()
        until = loop.time() + GATHERED_S if self._gathered else None
        while len(self._gathered) < wanted and not lines.is_over:
            try:
                async with asyncio.timeout_at(until):
                    self._gathered += await lines.more()
            except TimeoutError:
                break
            if self._gathered and until is None:
                until = loop.time() + GATHERED_S
        if self._task.exit_code:
            return []
        return [self._gathered.popleft() for _ in range(min(wanted, len(self._gathered)))]

    async def _store(self, producer: Producer, lines: Sequence[Line]) -> list[RecordMetadata]:
        """Commit lines together. Raises ClientError, CommandFailed."""
        self._open = len(lines)
        for left in reversed(range(TRIES)):
            try:
                receipts = await self._commit(producer, lines)
            except (Abortable, Retriable) as error:
                if error.possibly_persisted or not left or self._task.exit_code:
                    raise
                self._is_asked = False
                complain("produce", f"{self._span()}: aborted, and sent again: {error}")
            else:
                break
        self._stored += len(lines)
        self._transactions += 1
        self._open = 0
        self._is_asked = False
        return receipts

    async def _commit(self, producer: Producer, lines: Sequence[Line]) -> list[RecordMetadata]:
        args = self._args
        async with producer.transaction() as tx:
            deliveries = []
            for number, line in enumerate(lines, self._stored + 1):
                key, value = self._task.key_and_value(line.text)
                try:
                    sent = await tx.send(args.topic, value, key=key, partition=args.partition)
                except (Fatal, ValueError) as error:  # too large, and the like: it stays so
                    raise CommandFailed(f"line {number}: {error}") from None
                deliveries.append(sent)
            await producer.flush()
            self._is_asked = True
        return [await each for each in deliveries]

    def _print(self, receipts: Sequence[RecordMetadata]) -> None:
        if self._args.json:
            for each in receipts:
                print(json.dumps(each._asdict()))
            sys.stdout.flush()

    def _span(self) -> str:
        """The lines of the transaction that is under way."""
        first, last = self._stored + 1, self._stored + self._open
        return f"line {first}" if first == last else f"lines {first} to {last}"

    def _report(self, failure: BaseException | None) -> int:
        """Say which lines are in; returns the exit code."""
        exit_code = self._task.exit_code
        transactions = f"{self._transactions} transaction{'s' * (self._transactions != 1)}"
        summary = f"{self._stored} records stored in {visible(self._args.topic)}, in {transactions}"
        if exit_code or failure:
            summary += f": lines 1 to {self._stored}" if self._stored else ": no line"
        if failure is None:
            print(summary + (" (interrupted)" if exit_code else ""), file=sys.stderr)
            return exit_code
        if self._open:
            is_unknown = self._is_asked and (
                isinstance(failure, asyncio.CancelledError)
                or (isinstance(failure, ClientError) and failure.possibly_persisted)
            )
            summary += f"; of {self._span()} "
            summary += "all or none: whether they were committed is not known" * is_unknown
            summary += "none" * (not is_unknown)
        complain("produce", f"{str(failure) or 'interrupted'}\n{summary}")
        return exit_code or 1
