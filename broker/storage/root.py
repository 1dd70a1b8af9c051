"""EDGE: the data directory itself, held by a descriptor: what is opened is opened relative to it.

A path can lead elsewhere from one moment to the next (removed, moved, another one mounted over it);
a descriptor cannot. So nothing is ever written into a directory that took this one's place, and
verify() notices that it has. Who owns it is told by `.lock`, which the kernel lifts at kill -9.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from typing import Final

from .names import METADATA_LOG
from .port import DirectoryInUse, NoSpace, StorageError

LOCK_NAME: Final = ".lock"
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))
FILE_MODE: Final = 0o640  # or stricter, by umask: records are nobody else's business
SECRET_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o750
# What file systems say that cannot flush a directory (FUSE, CIFS, some shared folders). Names there
# are durable whenever they are, and no start is refused for it. Source: PostgreSQL's fsync_fname.
_NOT_FOR_DIRECTORIES: Final = frozenset((errno.EINVAL, errno.EBADF, errno.ENOTSUP))


@contextlib.contextmanager
def named(path: str) -> Iterator[None]:
    """Turn an OSError into a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        raise refusal(path, error) from error


def refusal(path: str, error: OSError) -> StorageError:
    """An OSError as a StorageError that names `path`."""
    kind = NoSpace if error.errno in _FULL else StorageError
    return kind(path, error.strerror or str(error))


def flush_directory(descriptor: int) -> None:
    """Make the names in an open directory durable, as far as its file system can. OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FOR_DIRECTORIES:
            raise


def make_root(path: str) -> None:
    """Make a directory and those above it, durably, as far as they are missing. StorageError."""
    missing: list[str] = []
    while not os.path.isdir(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    for new in missing:
        with named(new):
            os.mkdir(new, DIRECTORY_MODE)
            above = os.open(os.path.dirname(new), os.O_RDONLY | os.O_DIRECTORY)
            try:
                flush_directory(above)
            finally:
                os.close(above)


class Root:
    """A directory that is there, held open. Names are relative to it, "" is the directory itself.

    Args:
        path: absolute; for people only, once it is open.
    Raises:
        StorageError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock_descriptor = -1
        with named(path):
            self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def full(self, name: str) -> str:
        """How people find a name."""
        return f"{self.path}/{name}" if name else self.path

    def open(self, name: str, flags: int) -> int:
        """Open a file, made with FILE_MODE if it is new. Raises OSError.

        Whoever reads what is kept of passwords can guess at them: that file is its owner's alone,
        also where a version that kept none has made it.
        """
        if not name.startswith(f"{METADATA_LOG}/"):
            return os.open(name, flags, FILE_MODE, dir_fd=self.descriptor)
        descriptor = os.open(name, flags, SECRET_MODE, dir_fd=self.descriptor)
        if os.fstat(descriptor).st_mode & ~SECRET_MODE & 0o777:
            with contextlib.suppress(PermissionError):  # it is read by somebody else, who may
                os.fchmod(descriptor, SECRET_MODE)
        return descriptor

    def create(self, name: str, flags: int) -> int:
        """Open a new, empty file; one of ours of that name is emptied. Raises OSError.

        A link is replaced and never followed: what it leads to is somebody else's, and so is what
        shares its bytes with a backup by a hard link.
        """
        flags |= os.O_CREAT | os.O_NOFOLLOW
        try:
            return self.open(name, flags | os.O_EXCL)
        except FileExistsError:
            found = self.stat(name, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                return self.open(name, flags | os.O_TRUNC)
            os.unlink(name, dir_fd=self.descriptor)
            return self.open(name, flags | os.O_EXCL)

    def stat(self, name: str, *, follow_symlinks: bool = True) -> os.stat_result:
        """What os.stat() says. Raises OSError."""
        return os.stat(name or ".", dir_fd=self.descriptor, follow_symlinks=follow_symlinks)

    def flush_directory(self, name: str) -> None:
        """Make the names in a directory durable. Raises OSError."""
        if not name:
            flush_directory(self.descriptor)
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.descriptor)
        try:
            flush_directory(descriptor)
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Make everything on the file system durable, with no further descriptor. OSError."""
        import ctypes  # here: it takes milliseconds to import, and starting must be quick

        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(self.descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def take_lock(self) -> None:
        """Own the directory until close(). Raises DirectoryInUse, StorageError."""
        # A link is not followed: what it leads to would be overwritten with a process id.
        with named(self.full(LOCK_NAME)):
            descriptor = self.open(
                LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
            )
        try:
            self._lock(descriptor, fcntl.LOCK_EX)
            # The lock is held without it, so a full disk may keep us from saying who holds it.
            with contextlib.suppress(NoSpace), named(self.full(LOCK_NAME)):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._lock_descriptor = descriptor

    def refuse_if_in_use(self) -> None:
        """For who only looks: nothing is made. Raises DirectoryInUse, StorageError."""
        with named(self.full(LOCK_NAME)):
            try:
                descriptor = self.open(LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:
                return
        try:
            self._lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, kind: int) -> None:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise DirectoryInUse(
                f"{self.path} is in use by another broker (process {owner or 'unknown'}): "
                "stop that one first, or give this one a directory of its own"
            ) from error
        except OSError as error:
            raise refusal(self.full(LOCK_NAME), error) from error

    def verify(self) -> None:
        """Raise StorageError unless the path still leads to this directory, and the lock is ours.

        Without `.lock` a second broker could start here: as bad as another directory.
        """
        try:
            there = os.stat(self.path)
        except OSError as error:
            why = "the data directory has been removed or moved away under the running broker"
            raise StorageError(self.path, f"{why} ({error.strerror})") from error
        if not os.path.samestat(there, os.fstat(self.descriptor)):
            why = "another directory has taken the data directory's place under the running broker"
            raise StorageError(self.path, why)
        with named(self.full(LOCK_NAME)):
            lock = self.stat(LOCK_NAME, follow_symlinks=False)
            if not os.path.samestat(lock, os.fstat(self._lock_descriptor)):
                raise StorageError(self.full(LOCK_NAME), "replaced under the running broker")

    def close(self) -> None:
        """Give up the directory and its lock."""
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
        os.close(self.descriptor)
