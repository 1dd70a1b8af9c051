"""The storage port: the few verbs that logs need from a data directory, and what can go wrong.

Here: Storage, File and their errors. Not here: who implements them (files.py: the real disk,
memory.py: nothing on disk). Paths are relative to the data directory, parts joined by "/".

Rules every implementation keeps:
1. A write is in order and whole or refused; nothing is durable until flush() or sync_all() returns.
2. File.flush() and Storage.sync_all() may be called by another thread while the loop appends;
   everything else belongs to the loop's thread.
3. A File is a name with a size: close() only gives back what the operating system lent, and
   the next use takes it again. So a bound on open files can close any of them at any time.
Tests: tests/unit/broker/storage/test_storage.py
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Protocol, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class StorageError(Exception):
    """A file or directory could not be read, written or flushed; the text names it and says why."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class NoSpace(StorageError):
    """A write was refused because the disk, or a quota, is full."""


class NewerFormat(StorageError):
    """A file was written by a newer version; nothing was changed, and the text says what to do."""

    def __init__(self, path: str, version: int, version_max: int) -> None:
        super().__init__(
            path,
            f"it has format {version}, and this minibroker knows up to {version_max}: start the "
            "newer version that wrote it, or restore a backup of before the upgrade",
        )


class FlushFailed(StorageError):
    """What was to be durable is in an unknown state: no answer is true, the broker must stop."""


class DirectoryRefused(Exception):
    """The data directory cannot be used as it is; nothing in it was changed. Says what to do."""


class DirectoryInUse(DirectoryRefused):
    """Another broker owns the data directory; the text names the directory and that process."""


class DamagedLog(Exception):
    """Bytes before a log's tail are damaged; the text names file, position and the way out."""

    def __init__(self, path: str, position: int, why: str, also: str = "") -> None:
        root, name = _where(path)
        super().__init__(
            f"{path}: damaged at byte {position}: {why}. Acknowledged records may be behind it, so "
            f"nothing was cut. {log_command('check', root)} tells more. Put back a good "
            f"copy{also}; or start without these records: {log_command('set-aside', root, name)}"
        )
        self.path = path
        self.position = position
        self.why = why


class ShortLog(DamagedLog):
    """What a log holds is right, but it ends before what had been flushed: an older copy, say."""

    def __init__(self, path: str, position: int, why: str) -> None:
        keep = log_command("adopt", *_where(path))
        super().__init__(path, position, why, f"; or take what is there for all there was: {keep}")


def log_command(verb: str, root: str, *names: str) -> str:
    """A command as people can paste it: a way out that an error names works to the letter."""
    return f"`minibroker log {verb} {shlex.join((root or '.', *names))}`"


def _where(path: str) -> tuple[str, str]:
    """The data directory, and the directory of the log, of a damaged file or directory."""
    directory = path.rpartition("/")[0] if path.endswith(".log") else path
    root, _, name = directory.rpartition("/")
    return root, name


class File(Protocol):
    """One file that grows at its end."""

    @property
    def path(self) -> str:
        """For people: where the file is, as messages and reports name it."""

    @property
    def size(self) -> int:
        """Bytes appended so far, durable or not."""

    def append(self, buffers: Sequence[Buffer]) -> None:
        """Write all buffers, one after the other, at the end: all of them or nothing.

        Raises:
            StorageError: nothing was added. If even the partial write could not be cut back, each
                later append tries that first, and is refused while it fails.
        """

    def read(self, position: int, count: int) -> bytes:
        """Return `count` bytes from `position` on, fewer only where the file ends.

        Raises:
            StorageError: the disk could not be read.
        """

    def truncate(self, size: int) -> None:
        """Cut the file to its first `size` bytes. Raises StorageError."""

    def flush(self) -> None:
        """Make everything appended before this call durable, and the file's name if it is new.

        Does nothing for a file that has been removed meanwhile. Raises StorageError; what was
        appended is then in an unknown state, and flushing again proves nothing.
        """

    def close(self) -> None:
        """Give the descriptor back. Flushes nothing; the file may be used again."""


class Storage(Protocol):
    """One data directory, owned by one broker. Every method may raise StorageError."""

    def open_file(self, path: str) -> File:
        """Open a file that exists."""

    def create_file(self, path: str) -> File:
        """Open a new, empty file; one that is there already is emptied."""

    def preallocate(self, path: str, size_bytes: int) -> None:
        """Let a file have at least that size, and all its space on the disk, whatever is in it.

        Raises:
            NoSpace: there is not so much; the file has the size it had.
        """

    def list_dir(self, path: str) -> list[str]:
        """Return the names in a directory, sorted; none if there is no such directory."""

    def make_dirs(self, path: str) -> None:
        """Make a directory and those above it, as far as they are missing."""

    def full_path(self, path: str) -> str:
        """For people: how messages name a file or directory, "" for the data directory."""

    def exists(self, path: str) -> bool:
        """Tell whether a file or directory of that name is there."""

    def is_dir(self, path: str) -> bool:
        """Tell whether a directory of that name is there, or a link to one."""

    def read_bytes(self, path: str) -> bytes:
        """Return a whole file."""

    def replace(self, path: str, data: bytes) -> None:
        """Put `data` in place of a file at once and durably: after a crash, the old or the new."""

    def rename(self, path: str, new_path: str) -> None:
        """Give a file or directory another name; a file of the new name is replaced."""

    def remove(self, path: str) -> None:
        """Remove a file; no error if it is gone already."""

    def remove_tree(self, path: str) -> None:
        """Remove a directory with all that is in it; no error if it is gone already.

        A link is no directory: it is refused, and what it leads to stays as it is.
        """

    def space(self) -> tuple[int, int]:
        """(total, usable) bytes of the volume that holds the directory; (-1, -1) for no disk."""

    def flush_names(self, path: str = "") -> None:
        """Make what was made, renamed and removed in a directory durable; "" is the data one."""

    def verify(self) -> None:
        """Raise StorageError if the data directory is no longer the one that was opened."""

    def sync_all(self) -> None:
        """Make everything written before this call durable, names included, in one go."""

    def close(self) -> None:
        """Give up the directory and all that is open in it; another broker may take it then."""
