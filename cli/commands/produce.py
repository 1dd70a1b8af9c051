"""EDGE: `minibroker produce TOPIC`: lines in, records out, each stored exactly once.

A record is a line without its newline, otherwise byte for byte. A thread reads, since neither files
nor terminals can be awaited; at most READ_AHEAD chunks wait. The first Ctrl-C ends at once while
connecting; later it ends the reading, and what was read has INTERRUPTED_MS to be confirmed. The
second ends at once. So does a reader of the receipts that goes away. Whatever was not confirmed is
counted and said.
Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections import deque
from typing import TYPE_CHECKING

from ...client.config import CODECS
from ...client.errors import ClientError
from ...client.produce.receipts import Delivery
from ...client.producer import Producer
from ..terminal.addresses import add_bootstrap_server, server_names
from ..terminal.counts import parse_count, parse_ms, parse_whole
from ..terminal.running import CommandFailed, complain, end_at_once, running
from ..terminal.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress

SUMMARY = "send lines to a topic, each stored exactly once"
EXAMPLES = (
    "produce orders --file orders.txt --compression-type zstd",
    "produce orders --key-separator : --json < pairs.txt > receipts.json",
)
CHUNK_BYTES = 256 * 1024
READ_AHEAD = 4
SHOWN_EVERY = 1_000
SHOWN_AFTER_S = 1.0
INTERRUPTED_MS = 10_000


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("topic", help="created on first use where the broker allows it")
    add_bootstrap_server(parser)
    parser.add_argument(
        "--file", metavar="FILE", help="read lines from a file (default: standard input)"
    )
    parser.add_argument(
        "--key-separator", metavar="TEXT", help="the key is what stands before it, if it is there"
    )
    parser.add_argument(
        "--partition", type=parse_whole, metavar="N", help="default: by key, or whichever"
    )
    parser.add_argument(
        "--acks", choices=("all", "1", "0"), default="all", help="default %(default)s"
    )
    parser.add_argument(
        "--enable-idempotence",
        choices=("true", "false"),
        default="true",
        help="false may store lines twice (default %(default)s)",
    )
    parser.add_argument(
        "--compression-type", choices=[*CODECS], default="none", help="default %(default)s"
    )
    for option, parse, default, meaning in (
        ("--linger-ms", parse_ms, 5, "how long a batch waits for more lines"),
        ("--batch-size", parse_count, 16_384, "bytes of a batch"),
        ("--max-request-size", parse_count, 1_048_576, "bytes of the largest record"),
        ("--delivery-timeout-ms", parse_count, 120_000, "how long a line may take in all"),
        ("--request-timeout-ms", parse_count, 30_000, "how long one answer may take"),
    ):
        parser.add_argument(
            option,
            type=parse,
            default=default,
            metavar="MS" if option.endswith("ms") else "BYTES",
            help=f"{meaning} (default %(default)s)",
        )
    parser.add_argument("--json", action="store_true", help="print a receipt for each record")


def run(args: Namespace) -> int:
    """Send the lines."""
    try:
        return running("produce", lambda: _Run(args).send_all())
    except ImportError as error:  # a codec's package, named with its extra
        complain("produce", str(error))
        return 1


class _Run:
    """One run of the command."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self._separator = args.key_separator.encode() if args.key_separator else None
        self._open: deque[Delivery] = deque()
        self._stored = 0
        self._chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._room = threading.Semaphore(READ_AHEAD)
        self._more = asyncio.Event()
        self._is_sent = False
        self._lines = 0
        self._read_bytes = 0
        self._exit_code = 0
        self._main: asyncio.Task[int] | None = None

    async def send_all(self) -> int:
        """Send everything; returns the exit code."""
        loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        descriptor = _opened(self._args.file)
        producer = self._producer()
        failure: BaseException | None = None
        await producer.start()
        # Up to here a signal ends everything at once (terminal/running.py); from here on lines are
        # at stake.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, number)
        threading.Thread(target=self._read, args=(descriptor, loop), daemon=True).start()
        try:
            with _progress(self._args.file) as progress:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._confirm(progress))
                    await self._send_chunks(producer)
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

    def _producer(self) -> Producer:
        args = self._args
        return Producer(
            server_names(args.bootstrap_server),
            acks="all" if args.acks == "all" else 1 if args.acks == "1" else 0,
            enable_idempotence=args.enable_idempotence == "true",
            compression_type=args.compression_type,
            linger_ms=args.linger_ms,
            batch_size=args.batch_size,
            max_request_size=args.max_request_size,
            delivery_timeout_ms=args.delivery_timeout_ms,
            request_timeout_ms=args.request_timeout_ms,
        )

    async def _send_chunks(self, producer: Producer) -> None:
        rest = b""
        while (chunk := await self._chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            self._room.release()
            self._read_bytes += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                await self._send(producer, line)
            self._more.set()
            await asyncio.sleep(0)
        if rest and not self._exit_code:
            await self._send(producer, rest)

    async def _send(self, producer: Producer, line: bytes) -> None:
        key, value = None, line
        if self._separator is not None and self._separator in line:
            key, _, value = line.partition(self._separator)
        args = self._args
        self._lines += 1
        try:
            delivery = await producer.send(args.topic, value, key=key, partition=args.partition)
        except (ClientError, ValueError) as error:
            raise CommandFailed(f"line {self._lines}: {error}") from None
        self._open.append(delivery)

    async def _confirm(self, progress: _Shown) -> None:
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
                    progress.show(self._stored, self._read_bytes)
            progress.show(self._stored, self._read_bytes)
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
        if not failure:
            print(summary + (" (interrupted)" if self._exit_code else ""), file=sys.stderr)
            return self._exit_code
        complain(
            "produce",
            f"{str(failure) or 'interrupted'}\n{summary}"
            + (
                f"; {unconfirmed} read and not confirmed, of which {unknown} may have been stored"
                if unconfirmed
                else ""
            ),
        )
        return self._exit_code or 1

    def _interrupt(self, number: int) -> None:
        """End the reading, and after INTERRUPTED_MS everything; the second time end at once."""
        if self._exit_code:
            end_at_once(number)
        self._exit_code = 128 + number
        self._chunks.put_nowait(None)
        if self._main is not None:
            # Whatever still waits then (for room in the buffer, for a broker that is silent) is
            # cancelled, counted as not confirmed, and said.
            asyncio.get_running_loop().call_later(INTERRUPTED_MS / 1000, self._main.cancel)

    def _read(self, descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: chunks until the end of the input."""
        more = True
        while more:
            self._room.acquire()
            chunk: bytes | Exception | None
            try:
                chunk = os.read(descriptor, CHUNK_BYTES) or None
            except OSError as error:
                chunk = error
            more = isinstance(chunk, bytes)
            try:
                loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
            except RuntimeError:  # the loop has ended
                return


class _Shown:
    """A progress bar for what takes a while, gone at the end; or nothing."""

    def __init__(self, progress: Progress | None, bytes_total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task("sending", total=bytes_total) if progress else None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> _Shown:
        if self._progress is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SHOWN_AFTER_S, self._progress.start)
        return self

    def __exit__(self, *error: object) -> None:
        if self._timer is not None and self._progress is not None:
            self._timer.cancel()
            self._progress.stop()

    def show(self, stored: int, read_bytes: int) -> None:
        """What has been read and what of it was confirmed."""
        if self._progress is not None and self._task is not None:
            text = f"{stored:,} confirmed"
            self._progress.update(self._task, completed=read_bytes, description=text)


def _progress(file: str | None) -> _Shown:
    """A bar on standard error, if that is a terminal and nobody types the lines."""
    if not sys.stderr.isatty() or (file is None and sys.stdin.isatty()):
        return _Shown(None, None)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    # Receipts are data: left to itself, rich would print what goes to standard output on the
    # console of the bar, and `--json > file` would leave the file empty.
    progress = Progress(
        *columns,
        console=Console(stderr=True),
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )
    return _Shown(progress, os.path.getsize(file) if file else None)


def _opened(file: str | None) -> int:
    """A descriptor of what is read."""
    if file is None:
        return 0
    try:
        return os.open(file, os.O_RDONLY)
    except OSError as error:
        raise CommandFailed(f"--file {file}: {error.strerror}") from None
