"""EDGE: `minibroker produce` without transactions: each line is sent as it comes.

Whatever was not confirmed is counted and said; so it is when the reader of the receipts goes away.
With --session it stays in the session, and the next run goes on (in_session.py).
Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from collections import deque

from ...client.errors import ClientError
from ...client.produce.receipts import Delivery
from ...client.producer import Producer
from ..terminal.progress import Shown, bytes_of
from ..terminal.running import CommandFailed, complain
from ..terminal.visible import visible
from .in_session import InSession
from .lines import Line, Lines, opened
from .task import Task

SHOWN_EVERY = 1_000


class Plainly:
    """One run of the command."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self._task = Task(args)
        self._open: deque[Delivery] = deque()
        self._stored = 0
        self._more = asyncio.Event()
        self._is_sent = False
        self._number = 0  # of the newest line
        self._session = InSession(args) if args.session is not None else None

    async def send_all(self) -> int:
        """Send everything; returns the exit code. Raises BrokenPipeError, CommandFailed."""
        descriptor = opened(self._args.file)
        producer = self._task.producer()
        failure: BaseException | None = None
        await producer.start()
        try:
            lines = Lines(
                descriptor, start=self._session.position(producer) if self._session else 0
            )
            self._task.listen(lines.stop)
            lines.begin()
            with bytes_of(self._args.file) as progress:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._confirm(progress, lines))
                    await self._send_lines(producer, lines)
                    await producer.flush()
                    self._is_sent = True
                    self._more.set()
        except* (ClientError, OSError, CommandFailed) as errors:
            failure = errors.exceptions[0]
        except* asyncio.CancelledError:
            failure = asyncio.CancelledError()
        finally:
            await producer.stop(None if failure is None else 0)
        if isinstance(failure, BrokenPipeError):
            raise failure
        return await self._report(failure)

    async def _send_lines(self, producer: Producer, lines: Lines) -> None:
        while not lines.is_over:
            for line in await lines.more():
                await self._send(producer, line)
            self._more.set()
            await asyncio.sleep(0)

    async def _send(self, producer: Producer, line: Line) -> None:
        args = self._args
        self._number += 1
        key, value = self._task.key_and_value(line.text)
        mark = self._session.mark(line.end) if self._session else None
        try:
            delivery = await producer.send(
                args.topic, value, key=key, partition=args.partition, mark=mark
            )
        except (ClientError, ValueError) as error:
            raise CommandFailed(f"line {self._number}: {error}") from None
        self._open.append(delivery)

    async def _confirm(self, progress: Shown, lines: Lines) -> None:
        """Count, and print if so wanted, whatever is confirmed. Raises ClientError."""
        while True:
            while self._open:
                receipt = await self._open[0]
                self._open.popleft()
                self._stored += 1
                if self._args.json:
                    is_last = not self._open or not self._open[0].done
                    print(json.dumps(receipt._asdict()), flush=is_last)
                if self._stored % SHOWN_EVERY == 0:
                    progress.show(f"{self._stored:,} confirmed", lines.read_bytes)
            progress.show(f"{self._stored:,} confirmed", lines.read_bytes)
            if self._is_sent:
                return
            self._more.clear()
            await self._more.wait()

    async def _report(self, failure: BaseException | None) -> int:
        """Say what became of the lines; returns the exit code."""
        unknown = 0
        unconfirmed = len(self._open)
        for delivery in self._open:
            try:
                await delivery
                self._stored += 1
                unconfirmed -= 1
            except ClientError as error:
                failure = failure or error
                unknown += error.possibly_persisted
        summary = f"{self._stored} records stored in {visible(self._args.topic)}"
        kept: list[str] = []
        if self._session is not None:
            summary += self._session.began()
            kept = await self._session.kept()
        elif unconfirmed:
            kept = [
                f"{unconfirmed} read and not confirmed, of which {unknown} may have been stored"
            ]
        exit_code = self._task.exit_code
        if not failure:
            print(
                "; ".join([summary + (" (interrupted)" if exit_code else ""), *kept]),
                file=sys.stderr,
            )
            return exit_code or (1 if kept else 0)
        text = "; ".join([summary, *kept])
        complain("produce", f"{str(failure) or 'interrupted'}\n{text}")
        return exit_code or 1
