"""EDGE: the storage port on a real disk (storage.py has the rules; this file makes the calls).

- One broker per directory: `.lock` is held with flock, which the kernel lifts at kill -9.
- A new name is durable only when its directory is flushed, so File.flush() does that too: its own
  directory, and the one above if the directory is new as well.
- Appends use O_APPEND, so after a cut-back the next write starts where the file ends.
- Files are open while they are among the most recently used ones; each use opens them again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from ..limits import OPEN_FILES_MAX
from .storage import Buffer, DirectoryInUse, StorageError

_flush_descriptor = os.fdatasync if sys.platform == "linux" else os.fsync


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Turn an OSError into a StorageError that names `path`."""
    try:
        yield
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: str, error: OSError) -> StorageError:
    return StorageError(path, error.strerror or str(error))


def _flush_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_missing(directory: str) -> list[str]:
    """Make a directory and those above it; return the new ones, topmost first."""
    missing: list[str] = []
    while not os.path.isdir(directory):
        missing.insert(0, directory)
        directory = os.path.dirname(directory)
    for new in missing:
        with _named(new):
            os.mkdir(new)
    return missing


class OpenFiles:
    """The files that are open, the least recently used first; beyond `count_max` that is closed."""

    __slots__ = ("_files", "count_max", "lock", "used")

    def __init__(self, count_max: int) -> None:
        self.count_max = count_max
        self._files: OrderedDict[DiskFile, None] = OrderedDict()
        self.used = self._files.move_to_end
        """Called with an open file at each use."""
        # Between flush() in its thread and close() on the loop: a descriptor must not be closed,
        # and its number handed to another file, in the moment before it is flushed.
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._files)

    def opened(self, file: DiskFile) -> None:
        """A file has been opened."""
        self._files[file] = None
        if len(self._files) > self.count_max:
            next(iter(self._files)).close()

    def closed(self, file: DiskFile) -> None:
        """A file has been closed."""
        self._files.pop(file, None)


class DiskFile:
    """A file on disk, open while it is used. Implements storage.File."""

    __slots__ = (
        "_descriptor",
        "_has_torn_end",
        "_new_names_in",
        "_open_files",
        "_size",
        "path",
    )

    def __init__(
        self,
        open_files: OpenFiles,
        path: str,
        size: int,
        descriptor: int = -1,
        new_names_in: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self._open_files = open_files
        self._size = size
        self._descriptor = descriptor
        self._new_names_in = new_names_in  # directories still to be flushed for this file's sake
        self._has_torn_end = False  # bytes beyond _size, left by a write that failed
        if descriptor >= 0:
            open_files.opened(self)

    @property
    def size(self) -> int:
        return self._size

    def append(self, buffers: Sequence[Buffer]) -> None:
        descriptor = self._descriptor
        if descriptor < 0:
            descriptor = self._open()
        else:
            self._open_files.used(self)
        if self._has_torn_end:
            self.truncate(self._size)
        count = sum(map(len, buffers))
        try:
            written = os.writev(descriptor, buffers)
            if written != count:
                self._write_rest(descriptor, b"".join(buffers)[written:])
        except OSError as error:
            self._cut_back()
            raise _refusal(self.path, error) from error
        self._size += count

    def _write_rest(self, descriptor: int, rest: bytes) -> None:
        """Go on after a short write: it ends, or the system says why it cannot (a full disk)."""
        while rest:
            written = os.write(descriptor, rest)
            if not written:
                raise OSError("nothing more could be written")
            rest = rest[written:]

    def _cut_back(self) -> None:
        self._has_torn_end = True
        with contextlib.suppress(StorageError):
            self.truncate(self._size)

    def read(self, position: int, count: int) -> bytes:
        descriptor = self._descriptor
        if descriptor < 0:
            descriptor = self._open()
        else:
            self._open_files.used(self)
        try:
            return os.pread(descriptor, count, position)
        except OSError as error:
            raise _refusal(self.path, error) from error

    def truncate(self, size: int) -> None:
        descriptor = self._descriptor if self._descriptor >= 0 else self._open()
        with _named(self.path):
            os.ftruncate(descriptor, size)
        self._size = size
        self._has_torn_end = False

    def flush(self) -> None:
        with _named(self.path):
            try:
                descriptor = self._borrow()
            except FileNotFoundError:
                return  # removed, or its directory renamed to be removed: nobody waits for it
            try:
                _flush_descriptor(descriptor)
            finally:
                os.close(descriptor)
            directories = self._new_names_in
            for directory in directories:
                with contextlib.suppress(FileNotFoundError):
                    _flush_directory(directory)
            self._new_names_in = ()

    def close(self) -> None:
        with self._open_files.lock:
            if self._descriptor < 0:
                return
            os.close(self._descriptor)
            self._descriptor = -1
        self._open_files.closed(self)

    def _open(self) -> int:
        with _named(self.path), self._open_files.lock:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        self._open_files.opened(self)
        return self._descriptor

    def _borrow(self) -> int:
        """Return a descriptor of our own, whatever close() does meanwhile."""
        with self._open_files.lock:
            if self._descriptor >= 0:
                return os.dup(self._descriptor)
        return os.open(self.path, os.O_RDWR)


class FileStorage:
    """A data directory on disk, locked for this process. Implements storage.Storage.

    Raises:
        DirectoryInUse: another broker holds the lock.
        StorageError: the directory cannot be made or written.
    """

    def __init__(self, root: str, open_files_max: int = OPEN_FILES_MAX) -> None:
        self.root = os.path.abspath(root)
        self.open_files = OpenFiles(open_files_max)
        for new in _make_missing(self.root):
            with _named(new):
                _flush_directory(os.path.dirname(new))
        self._new_dirs: set[str] = set()  # made by us: their own names may not be durable yet
        self._lock_descriptor = self._take_lock()

    def _take_lock(self) -> int:
        path = self._full(".lock")
        with _named(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise _refusal(path, error) from error
            raise DirectoryInUse(
                f"{self.root} is in use by another broker (process {owner or 'unknown'}): "
                "stop that one first, or give this one a directory of its own"
            ) from error
        with _named(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def open_file(self, path: str) -> DiskFile:
        full = self._full(path)
        try:  # here and in other reads, _named() would take longer than the call
            return DiskFile(self.open_files, full, os.stat(full).st_size)
        except OSError as error:
            raise _refusal(full, error) from error

    def create_file(self, path: str) -> DiskFile:
        full = self._full(path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
        with _named(full):
            descriptor = os.open(full, flags, 0o644)
        return DiskFile(self.open_files, full, 0, descriptor, self._directories_of(full))

    def _directories_of(self, full: str) -> tuple[str, ...]:
        """The directories to flush before the name `full` is durable."""
        directory = os.path.dirname(full)
        directories = [directory]
        while directory in self._new_dirs:
            directory = os.path.dirname(directory)
            directories.append(directory)
        return tuple(directories)

    def list_dir(self, path: str) -> list[str]:
        full = self._full(path)
        try:
            return sorted(os.listdir(full))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _refusal(full, error) from error

    def make_dirs(self, path: str) -> None:
        self._new_dirs.update(_make_missing(self._full(path)))

    def exists(self, path: str) -> bool:
        return os.path.exists(self._full(path))

    def read_bytes(self, path: str) -> bytes:
        full = self._full(path)
        try:
            with open(full, "rb", buffering=0) as file:
                return file.readall()
        except OSError as error:
            raise _refusal(full, error) from error

    def replace(self, path: str, data: bytes) -> None:
        full = self._full(path)
        temporary = f"{full}.tmp"
        with _named(full):
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                _flush_descriptor(file.fileno())
            os.replace(temporary, full)
            for directory in self._directories_of(full):
                _flush_directory(directory)

    def rename(self, path: str, new_path: str) -> None:
        full = self._full(path)
        with _named(full):
            os.replace(full, self._full(new_path))
        self._new_dirs.discard(full)

    def remove(self, path: str) -> None:
        full = self._full(path)
        with _named(full), contextlib.suppress(FileNotFoundError):
            os.unlink(full)

    def remove_tree(self, path: str) -> None:
        import shutil  # here: it takes 5 ms to import, and starting must be quick

        full = self._full(path)
        with _named(full), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(full)
        self._new_dirs.discard(full)

    def space(self) -> tuple[int, int]:
        with _named(self.root):
            volume = os.statvfs(self.root)
        return volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize

    def sync_all(self) -> None:
        import ctypes  # here for the same reason

        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(self._lock_descriptor):
            why = os.strerror(ctypes.get_errno())
            raise StorageError(self.root, why)

    def close(self) -> None:
        os.close(self._lock_descriptor)
