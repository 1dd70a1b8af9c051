"""EDGE: the journal of a durable session: appended and written on the loop, flushed off it.

    journal = Journal.open("orders.session")
    number = journal.append([Floor(...), Cut(...)])      one group: whole or absent after a crash
    await journal.flush(number)                          now what it says may be acted upon

1. `append` takes a group into the state at once, and only buffers its bytes.
2. One round at a time writes what is buffered, on the loop (a thread would take longer, see
   journal_thread.py), and flushes it, in a thread; what comes meanwhile is of the next round.
3. What nobody wants flushed is written a moment later: a kill costs it only within that moment.
4. A round may write the journal anew (journal_writer.py); its snapshot holds what is buffered.
5. A write or flush that failed is final, since what the kernel dropped cannot be known.
Read next: entries.py, journal_state.py.
Tests: tests/unit/client/session/test_journal.py
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Final

from ..errors import ClientError, JournalFailed, JournalFull
from . import instants
from .entries import Entry
from .instants import Instant
from .journal_codec import encode
from .journal_directory import FULL, JournalDirectory
from .journal_port import JournalDisk
from .journal_recovery import Recovered, recover
from .journal_state import EntryRefused, JournalState
from .journal_thread import JournalThread
from .journal_writer import JournalWriter, NotRewritten

FSYNC: Final = "fsync"
PAGE_CACHE: Final = "page-cache"
REWRITE_ABOVE_BYTES: Final = 64 * 1024 * 1024
REWRITE_FACTOR: Final = 2  # of what is live
SLOW_S: Final = 0.02  # a write that the system lets wait: the next is not done on the loop
WRITE_WITHIN_S: Final = 0.1  # what nobody wants flushed


class Journal:
    """A journal that is open; use `Journal.open`. It belongs to one event loop.

    Attributes:
        state: what it has come to, with all that was appended.
        flushed: the number of the newest group that is flushed; 0 before the first.
        failure: why it takes nothing any more; None while it does.
        torn_bytes: that the start has dropped from its end: written, and never flushed.
    """

    def __init__(
        self,
        disk: JournalDisk,
        writer: JournalWriter,
        recovered: Recovered,
        durability: str,
        rewrite_above_bytes: int,
    ) -> None:
        self.state: JournalState = recovered.state
        self.torn_bytes = recovered.torn_bytes
        self.flushed = 0
        self.failure: ClientError | None = None
        self._disk = disk
        self._writer = writer
        self._flushes = durability == FSYNC
        self._rewrite_above_bytes = rewrite_above_bytes
        self._appended = 0
        self._bodies: list[list[bytes]] = []
        self._buffered_bytes = 0
        self._is_slow = False  # to write took long when it was done last
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._round: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop  # known when something is appended
        self._later: asyncio.TimerHandle | None = None
        self._threads: JournalThread | None = None

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        durability: str = FSYNC,
        disk: JournalDisk | None = None,
        rewrite_above_bytes: int = REWRITE_ABOVE_BYTES,
    ) -> Journal:
        """Take a session's directory and read its journal; blocks. Nothing waits to be flushed.

        Args:
            directory: made if it is missing.
            durability: fsync; or page-cache, which survives the process and not the machine.
            disk: instead of the directory, for a world of its own.
            rewrite_above_bytes: below this size a journal is not written anew while running.
        Raises:
            SessionInUse, JournalDamaged, JournalTooNew, Fatal: see there; nothing was changed.
            JournalFull, JournalFailed: it cannot be written; what is there is as good as before.
            OSError: the directory cannot be opened, or belongs to another user.
        """
        if durability not in (FSYNC, PAGE_CACHE):
            raise ValueError(f"durability is {FSYNC!r} or {PAGE_CACHE!r}, not {durability!r}")
        if disk is None:
            disk = JournalDirectory(os.fspath(directory))
        try:
            recovered = recover(disk)
            snapshot = recovered.state.snapshot()
            flushes = durability == FSYNC
            try:
                writer = JournalWriter(disk, recovered.generation, snapshot, flushes=flushes)
            except OSError as error:
                raise _failed(disk, error) from error
        except BaseException:
            disk.close()
            raise
        return cls(disk, writer, recovered, durability, rewrite_above_bytes)

    @property
    def path(self) -> str:
        """Of the directory, for people."""
        return self._disk.path

    @property
    def size_bytes(self) -> int:
        """Of the journal, with what is not written yet, about."""
        return self._writer.size + self._buffered_bytes

    def append(self, entries: Sequence[Entry]) -> int:
        """Take one group of entries into the state, and buffer it.

        Returns: its number, for `flush`; they rise by one.
        Raises:
            EntryRefused: it cannot follow, which is a defect of the caller; the journal has failed.
            JournalFailed: it has failed before.
        """
        self._check()
        try:
            for entry in entries:
                self.state.apply(entry)
        except EntryRefused as error:
            self._fail(JournalFailed(f"{self.path}: {error}"))
            raise
        body = encode(entries)
        self._bodies.append(body)
        self._buffered_bytes += sum(map(len, body))
        self._appended += 1
        if self._later is None:
            self._loop = asyncio.get_running_loop()
            self._later = self._loop.call_later(WRITE_WITHIN_S, self._write_idle)
        return self._appended

    def flush(self, upto: int) -> asyncio.Future[None]:
        """Flush all groups up to a number; awaited, or heard of by a callback.

        Without fsync it is done when this returns, unless it is much, or written anew.

        Raises: JournalFull, JournalFailed, in the future: nobody knows whether they are durable.
        """
        done = asyncio.get_running_loop().create_future()
        if self.failure is not None:
            done.set_exception(self.failure)
        elif upto <= self.flushed:
            done.set_result(None)
        else:
            self._waiting.append((upto, done))
            self._go_on()
        return done

    def give_way(self) -> None:
        """Let a flush end that is under way; for loops that are busy."""
        if self._round is not None and self._threads is not None:
            self._threads.give_way()

    async def close(self) -> None:
        """Flush what was appended, if that is possible, and give the directory up."""
        try:
            if self.failure is None and self.flushed < self._appended:
                await self.flush(self._appended)
        except JournalFailed:
            pass  # who waited for something was told
        finally:
            while self._round is not None:
                await asyncio.wait([self._round])
            self.abandon()

    def abandon(self) -> None:
        """Give the directory up as it is: what was not flushed may be lost."""
        if self._later is not None:
            self._later.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=True)
            self._threads = None
        if self.failure is None:
            self._fail(JournalFailed(f"{self.path}: the session is closed"))
        self._writer.close()
        self._disk.close()

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _go_on(self) -> None:
        """Begin a round, if somebody waits and none is under way."""
        if self._round is not None or not self._waiting or self.failure is not None:
            return
        live, size = self.state.live_bytes, self.size_bytes
        bodies, upto = self._take(), self._appended
        if size > self._rewrite_above_bytes and size > REWRITE_FACTOR * live:
            whole = self._writer.whole(self.state.snapshot())
            self._begin(upto, lambda: self._rewrite_or_append(whole, bodies))
            return
        buffers = self._writer.framed(bodies)
        if self._is_slow:
            self._begin(upto, lambda: self._write_and_sync(buffers))
        else:
            error = self._tried(lambda: self._write(buffers))
            if error is None and self._flushes:
                self._begin(upto, self._sync)
            else:
                self._end_round(upto, error or self._tried(self._sync))

    def _take(self) -> list[list[bytes]]:
        bodies, self._bodies, self._buffered_bytes = self._bodies, [], 0
        return bodies

    def _begin(self, upto: int, work: Callable[[], None]) -> None:
        """Let a round's work be done in the thread."""
        if self._threads is None:
            self._threads = JournalThread()
        self._round = self._loop.run_in_executor(self._threads, work)
        self._round.add_done_callback(lambda done: self._end_round(upto, done.exception()))

    def _write(self, buffers: Sequence[bytes]) -> None:
        began = self._loop.time()
        self._writer.write(buffers)
        self._is_slow = self._loop.time() - began > SLOW_S
        instants.at(Instant.WRITTEN)

    def _sync(self) -> None:
        self._writer.sync()
        instants.at(Instant.FLUSHED)

    def _write_and_sync(self, buffers: Sequence[bytes]) -> None:
        self._write(buffers)
        self._sync()

    def _rewrite_or_append(self, whole: Sequence[bytes], bodies: Sequence[Sequence[bytes]]) -> None:
        try:
            self._writer.rewrite(whole)
        except NotRewritten:
            # There may be no space for two journals, and yet some for more of this one.
            self._rewrite_above_bytes *= 2
            self._write_and_sync(self._writer.framed(bodies))

    def _tried(self, work: Callable[[], None]) -> Exception | None:
        try:
            work()
        except OSError as error:
            return error
        return None

    def _end_round(self, upto: int, error: BaseException | None) -> None:
        self._round = None
        if error is None and self.failure is None:
            error = self._tried(self._writer.flushed_all)
        if error is not None:
            self._fail(_failed(self._disk, error))
            return
        if self.failure is not None:
            return
        self.flushed = upto
        waiting, self._waiting = self._waiting, []
        for number, done in waiting:
            if number > upto:
                self._waiting.append((number, done))
            elif not done.done():  # nobody has cancelled it
                done.set_result(None)
        self._go_on()

    def _write_idle(self) -> None:
        """Write what nobody wants flushed; while a round is under way it has to wait."""
        self._later = None
        if self.failure is not None or not self._bodies:
            return
        if self._round is not None:
            self._later = self._loop.call_later(WRITE_WITHIN_S, self._write_idle)
            return
        bodies = self._take()
        error = self._tried(lambda: self._writer.append(bodies))
        if error is not None:
            self._fail(_failed(self._disk, error))

    def _fail(self, failure: ClientError) -> None:
        self.failure = self.failure or failure
        waiting, self._waiting = self._waiting, []
        for _, done in waiting:
            if not done.done():
                done.set_exception(self.failure)


def look(directory: str | os.PathLike[str]) -> tuple[Recovered, str]:
    """Read a session's journal and change nothing, whoever has it.

    Returns: what is in it, and the process that has it ("" for none).
    Raises: JournalDamaged, JournalTooNew, Fatal, OSError.
    """
    disk = JournalDirectory(os.fspath(directory), is_ours=False)
    try:
        return recover(disk), disk.holder()
    finally:
        disk.close()


def _failed(disk: JournalDisk, error: BaseException) -> JournalFailed:
    is_full = isinstance(error, OSError) and error.errno in FULL
    kind = JournalFull if is_full else JournalFailed
    why = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
    what = "make space, then" if is_full else "see to the disk, then"
    return kind(
        f"{disk.path}: the journal cannot be written: {why}. Nothing is sent any more; {what} "
        "begin a new producer with this session: it settles what is open and goes on",
        possibly_persisted=True,
    )
