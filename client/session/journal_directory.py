"""EDGE: a journal's directory on a real disk: private, locked, and held by a descriptor.

The directory has mode 0700 and its files 0600: what was sent is nobody else's business. Who owns it
is told by `lock` (flock, which the kernel lifts when its process ends). What is opened is opened
relative to the descriptor, so that nothing goes into a directory that took this one's place.
Implements journal_port.JournalDisk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Sequence
from typing import Final

from ..errors import SessionInUse
from .journal_recovery import LOCK

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
# What file systems say that cannot flush a directory (FUSE, CIFS): names are durable there whenever
# they are. Source: PostgreSQL's fsync_fname.
_NOT_FOR_DIRECTORIES: Final = frozenset((errno.EINVAL, errno.EBADF, errno.ENOTSUP))
_flush_content = os.fdatasync if sys.platform == "linux" else os.fsync


class DiskFile:
    """A file that is open for appending. Implements journal_port.JournalFile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, buffers: Sequence[bytes]) -> None:
        count = sum(map(len, buffers))
        written = os.writev(self._descriptor, buffers)
        rest = memoryview(b"".join(buffers))[written:] if written != count else b""
        while rest:  # a short write: it goes on, or the system says why it cannot
            rest = rest[os.write(self._descriptor, rest) :]

    def flush(self) -> None:
        _flush_content(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class JournalDirectory:
    """A directory and its lock. Implements journal_port.JournalDisk.

    Args:
        path: made if it is missing, with those above it.
        is_ours: False for who only looks: nothing is made, changed or locked.
    Raises:
        SessionInUse: another process has it.
        PermissionError: it belongs to another user.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str, *, is_ours: bool = True) -> None:
        self.path = os.path.abspath(path)
        self._note_descriptor = self._lock_descriptor = -1
        if is_ours:
            _make(self.path)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if is_ours:
                self._make_private()
                self._lock_descriptor = self._take_lock()
        except BaseException:
            os.close(self._descriptor)
            raise

    def holder(self) -> str:
        """The process that has it, for who only looks; "" if none has."""
        try:
            descriptor = self._open(LOCK, os.O_RDONLY)
        except FileNotFoundError:
            return ""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _owner(descriptor)
        finally:
            os.close(descriptor)
        return ""

    def names(self) -> list[str]:
        return os.listdir(self._descriptor)

    def read(self, name: str) -> bytes:
        with open(self._open(name, os.O_RDONLY), "rb") as file:
            return file.read()

    def create(self, name: str) -> DiskFile:
        # A link of that name is not followed, and a file of two names not emptied: it is replaced.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
        return DiskFile(self._open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL))

    def rename(self, name: str, new_name: str) -> None:
        os.rename(name, new_name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        os.unlink(name, dir_fd=self._descriptor)

    def flush_names(self) -> None:
        _flush_directory(self._descriptor)

    def note(self, name: str, data: bytes) -> None:
        if self._note_descriptor < 0:
            self._note_descriptor = self._open(name, os.O_WRONLY | os.O_CREAT)
        os.pwrite(self._note_descriptor, data, 0)

    def close(self) -> None:
        for descriptor in (self._note_descriptor, self._lock_descriptor, self._descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._note_descriptor = self._lock_descriptor = self._descriptor = -1

    def _open(self, name: str, flags: int) -> int:
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK
        return os.open(name, flags, FILE_MODE, dir_fd=self._descriptor)

    def _make_private(self) -> None:
        found = os.fstat(self._descriptor)
        if found.st_uid != os.geteuid():
            raise PermissionError(
                errno.EPERM,
                f"the session belongs to user {found.st_uid}, and this is user {os.geteuid()}: "
                "run as that one, or name another directory",
                self.path,
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(self._descriptor, DIRECTORY_MODE)

    def _take_lock(self) -> int:
        descriptor = self._open(LOCK, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = _owner(descriptor)
            os.close(descriptor)
            raise SessionInUse(
                f"{self.path}: this session is in use by process {owner}: end that one first, or "
                "give this producer a session of its own"
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            # The lock is held without it: a full disk only keeps us from saying who holds it.
            if error.errno not in FULL:
                os.close(descriptor)
                raise
        return descriptor


FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"


def _make(path: str) -> None:
    """Make a directory and those above it, durably, as far as they are missing."""
    missing: list[str] = []
    while not os.path.isdir(path) and not os.path.lexists(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    for new in missing:
        os.mkdir(new, DIRECTORY_MODE)
        above = os.open(os.path.dirname(new), os.O_RDONLY | os.O_DIRECTORY)
        try:
            _flush_directory(above)
        finally:
            os.close(above)


def _flush_directory(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FOR_DIRECTORIES:
            raise
