"""Writes a journal through its port: appends, flushes, and writes it anew in place.

Calls block; who calls sees to it that there is one at a time, and none after one has failed.
A journal is written anew, at each start and when most of it is history, in steps of which every
prefix can be started from: 1. `journal.new` gets all that the state has come to  2. it is flushed
3. it is renamed to `journal`  4. the name is flushed  5. the note names the new generation.
At a start that is more than tidiness: 1. a flush failed, the process ended  2. the page cache still
has what the disk never got  3. who reads it and flushes again is told that all is well  4. power
is lost. What is written anew is flushed anew.
Source: LWN 752063.
Tests: tests/unit/client/session/test_journal.py
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from .entries import Snapshot
from .journal_codec import encode
from .journal_frames import HEAD_BYTES, frame, head, note
from .journal_port import JournalDisk, JournalFile
from .journal_recovery import JOURNAL, NEW_JOURNAL, NOTE

BUFFERS_MAX: Final = 512  # of one write; systems take 1,024


class JournalWriter:
    """The end of a journal.

    Args:
        generation: of the journal that was read, 0 for none; the next one is written.
        flushes: whether a flush waits for the disk; else what was written counts as flushed.
    Raises:
        OSError: nothing was changed, or the new journal is there and can be started from.

    Attributes:
        size: of the journal, in bytes.
        flushed: up to this byte of it all is flushed.
    """

    def __init__(
        self, disk: JournalDisk, generation: int, snapshot: Snapshot, *, flushes: bool
    ) -> None:
        self.size = 0
        self.flushed = 0
        self._disk = disk
        self._generation = generation
        self._flushes = flushes
        self._file: JournalFile | None = None
        self._enter(self._write_new(self.whole(snapshot)))

    def append(self, bodies: Sequence[Sequence[bytes]]) -> None:
        """Write groups of entries, each a frame. Raises OSError."""
        self.write(self.framed(bodies))

    def framed(self, bodies: Sequence[Sequence[bytes]]) -> list[bytes]:
        """The first half of append(): the frames, which are to be written next."""
        buffers: list[bytes] = []
        for body in bodies:
            framed = frame(body, self._generation, self.size, self.flushed)
            self.size += sum(map(len, framed))
            buffers += framed
        return buffers

    def write(self, buffers: Sequence[bytes]) -> None:
        """The second half, which may take long. Raises OSError."""
        assert self._file is not None
        _write(self._file, buffers)

    def flush(self) -> None:
        """Make all that was appended durable, as far as this journal does. Raises OSError."""
        self.sync()
        self.flushed_all()

    def sync(self) -> None:
        """The first half of flush(), which may take long. Raises OSError."""
        assert self._file is not None
        if self._flushes and self.flushed != self.size:
            self._file.flush()

    def flushed_all(self) -> None:
        """The second half: write down that all is flushed. Raises OSError."""
        if self.flushed != self.size:
            self._note_flushed()

    def whole(self, snapshot: Snapshot) -> list[bytes]:
        """All that the next journal begins with, for rewrite()."""
        body, generation = encode((snapshot,)), self._generation + 1
        return [head(generation), *frame(body, generation, HEAD_BYTES, 0)]

    def rewrite(self, buffers: Sequence[bytes]) -> None:
        """Write the journal anew, and flush it: all that the snapshot holds is durable then.

        Args:
            buffers: what whole() has made of that.

        Raises:
            NotRewritten: nothing has happened, and the old journal goes on.
            OSError: which of the two will be found is not known; each can be started from.
        """
        try:
            new = self._write_new(buffers)
        except OSError as error:
            raise NotRewritten(str(error)) from error
        self._enter(new)

    def close(self) -> None:
        """Give back the file; flushes nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_new(self, buffers: Sequence[bytes]) -> tuple[JournalFile, int]:
        """Steps 1 and 2; returns the file and its size."""
        new = self._disk.create(NEW_JOURNAL)
        try:
            _write(new, buffers)
            new.flush()
        except OSError:
            new.close()
            with suppress(OSError):
                self._disk.remove(NEW_JOURNAL)  # on a full disk its part counts
            raise
        return new, sum(map(len, buffers))

    def _enter(self, new: tuple[JournalFile, int]) -> None:
        """Steps 3 to 5."""
        file, size = new
        try:
            self._disk.rename(NEW_JOURNAL, JOURNAL)
            self._disk.flush_names()
        except OSError:
            file.close()
            raise
        self.close()
        self._file, self.size = file, size
        self._generation += 1
        self._note_flushed()

    def _note_flushed(self) -> None:
        self.flushed = self.size
        self._disk.note(NOTE, note(self._generation, self.flushed))


def _write(file: JournalFile, buffers: Sequence[bytes]) -> None:
    for first in range(0, len(buffers), BUFFERS_MAX):
        file.append(buffers[first : first + BUFFERS_MAX])


class NotRewritten(Exception):
    """There was no way to write a journal anew; the old one is as it was."""
