"""The port of a journal: what it needs of a directory. A simulated disk can stand in for it.

Every method raises OSError, and one that was not done may be half done: a journal whose write or
flush has failed goes on never (journal_writer.py). Flushes are called off the loop, one at a time.
Read next: journal_directory.py, which is the real one.
Tests: tests/unit/client/session/test_journal_directory.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class JournalFile(Protocol):
    """One file that grows at its end."""

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write all buffers at the end, one after the other."""

    def flush(self) -> None:
        """Make everything appended durable."""

    def close(self) -> None:
        """Flushes nothing."""


class JournalDisk(Protocol):
    """One directory, owned by one journal until close()."""

    @property
    def path(self) -> str:
        """For people."""

    def names(self) -> list[str]:
        """Of all that is there."""

    def read(self, name: str) -> bytes:
        """A whole file."""

    def create(self, name: str) -> JournalFile:
        """A new, empty file, private to its owner; one of that name is emptied."""

    def rename(self, name: str, new_name: str) -> None:
        """Give a file a name, in place of another."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def flush_names(self) -> None:
        """Make what was made and renamed durable."""

    def note(self, name: str, data: bytes) -> None:
        """Put some bytes at the front of a small file, which is made if missing; not flushed."""

    def close(self) -> None:
        """Give the directory up; another may own it then."""
