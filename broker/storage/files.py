"""EDGE: the storage port on a real disk (port.py has the rules; this file makes the calls).

- One broker per directory, held by a descriptor: root.py.
- A new name is durable only when its directory is flushed, so File.flush() does that too: its own
  directory, and the one above if the directory is new as well.
- Appends use O_APPEND, so after a cut-back the next write starts where the file ends.
- Files are open while they are among the most recently used ones; each use opens them again.
- A flush never fails for want of a descriptor: it takes none where the file is open, and syncs the
  whole file system, by the descriptor of the data directory, where it can get none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from ..limits import FILES_GIVEN_BACK, OPEN_FILES_MAX
from .data_directory import owner_mark
from .port import Buffer, StorageError
from .root import DIRECTORY_MODE, Root, make_root, named, refusal

NO_DESCRIPTOR: Final = frozenset((errno.EMFILE, errno.ENFILE))
_flush_descriptor = os.fdatasync if sys.platform == "linux" else os.fsync


def _allocate(descriptor: int, size_bytes: int) -> None:
    if sys.platform == "darwin":  # has no such call: the file is long, and its space not sure
        os.ftruncate(descriptor, size_bytes)
    else:
        os.posix_fallocate(descriptor, 0, size_bytes)  # fills holes, too


class OpenFiles:
    """The files that are open, the least recently used first; beyond `count_max` that is closed."""

    __slots__ = ("_closes_later", "_files", "_lock", "_pins", "count_max", "root", "used")

    def __init__(self, root: Root, count_max: int) -> None:
        self.root = root
        self.count_max = count_max
        self._files: OrderedDict[DiskFile, None] = OrderedDict()
        self.used = self._files.move_to_end
        """Called with an open file at each use."""
        # Between flush() in its thread and close() on the loop: a descriptor must not be closed,
        # and its number handed to another file, before it is flushed.
        self._lock = threading.Lock()
        self._pins: dict[int, int] = {}  # how many flushes use a descriptor
        self._closes_later: set[int] = set()  # those of files that are closed already

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

    def granted(self, open_one: Callable[[], int]) -> int:
        """Open something; where the system has no descriptor left, close files for it. OSError."""
        try:
            return open_one()
        except OSError as error:
            if error.errno not in NO_DESCRIPTOR or not self._files:
                raise
        for file in [*islice(self._files, FILES_GIVEN_BACK)]:
            file.close()
        return open_one()

    def pin(self, file: DiskFile) -> int:
        """The descriptor of a file, which stays open until unpin(); -1 if the file is closed."""
        with self._lock:
            descriptor = file.descriptor
            if descriptor >= 0:
                self._pins[descriptor] = self._pins.get(descriptor, 0) + 1
            return descriptor

    def unpin(self, descriptor: int) -> None:
        """A flush is over."""
        with self._lock:
            self._pins[descriptor] -= 1
            if not self._pins[descriptor]:
                del self._pins[descriptor]
                if descriptor in self._closes_later:
                    self._closes_later.discard(descriptor)
                    os.close(descriptor)

    def close_all(self) -> None:
        """Close whatever is open."""
        for file in [*self._files]:
            file.close()

    def close(self, file: DiskFile) -> None:
        """Close the descriptor of a file, at once or behind the flush that uses it."""
        with self._lock:
            descriptor, file.descriptor = file.descriptor, -1
            if descriptor in self._pins:
                self._closes_later.add(descriptor)
            elif descriptor >= 0:
                os.close(descriptor)
        self.closed(file)


class DiskFile:
    """A file on disk, open while it is used. Implements storage.File.

    `descriptor` is -1 while it is closed.
    """

    __slots__ = (
        "_has_torn_end",
        "_name",
        "_new_names_in",
        "_open_files",
        "_size",
        "descriptor",
    )

    def __init__(
        self,
        open_files: OpenFiles,
        name: str,
        size: int,
        descriptor: int = -1,
        new_names_in: tuple[str, ...] = (),
    ) -> None:
        self._name = name
        self._open_files = open_files
        self._size = size
        self.descriptor = descriptor
        self._new_names_in = new_names_in  # directories still to be flushed for this file's sake
        self._has_torn_end = False  # bytes beyond _size, left by a write that failed
        if descriptor >= 0:
            open_files.opened(self)

    @property
    def path(self) -> str:
        return self._open_files.root.full(self._name)

    @property
    def size(self) -> int:
        return self._size

    def append(self, buffers: Sequence[Buffer]) -> None:
        descriptor = self.descriptor
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
            raise refusal(self.path, error) from error
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
        descriptor = self.descriptor
        if descriptor < 0:
            descriptor = self._open()
        else:
            self._open_files.used(self)
        try:
            return os.pread(descriptor, count, position)
        except OSError as error:
            raise refusal(self.path, error) from error

    def truncate(self, size: int) -> None:
        descriptor = self.descriptor if self.descriptor >= 0 else self._open()
        with named(self.path):
            os.ftruncate(descriptor, size)
        self._size = size
        self._has_torn_end = False

    def flush(self) -> None:
        with named(self.path):
            try:
                self._flush_content()
                for directory in self._new_names_in:
                    with contextlib.suppress(FileNotFoundError):
                        self._open_files.root.flush_directory(directory)
            except FileNotFoundError:
                return  # removed, or its directory renamed to be removed: nobody waits for it
            except OSError as error:
                if error.errno not in NO_DESCRIPTOR:
                    raise
                # 1. the file was closed for others  2. clients took the descriptors  3. a refusal
                # here would end the broker, and nothing is wrong with the disk
                self._open_files.root.sync()
            self._new_names_in = ()

    def _flush_content(self) -> None:
        open_files = self._open_files
        descriptor = open_files.pin(self)
        if descriptor >= 0:
            try:
                _flush_descriptor(descriptor)
            finally:
                open_files.unpin(descriptor)
            return
        descriptor = open_files.root.open(self._name, os.O_RDWR)
        try:
            _flush_descriptor(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        if self.descriptor >= 0:
            self._open_files.close(self)

    def _open(self) -> int:
        open_files = self._open_files
        with named(self.path):
            self.descriptor = open_files.granted(
                lambda: open_files.root.open(self._name, os.O_RDWR | os.O_APPEND)
            )
        open_files.opened(self)
        return self.descriptor


class FileStorage:
    """A data directory on disk, locked for this process. Implements storage.Storage.

    Raises:
        DirectoryInUse: another broker holds the lock.
        StorageError: the directory cannot be made or written.
    """

    def __init__(self, path: str, open_files_max: int = OPEN_FILES_MAX) -> None:
        path = os.path.abspath(path)
        make_root(path)
        self.root = Root(path)
        self.open_files = OpenFiles(self.root, open_files_max)
        self._new_dirs: set[str] = set()  # made by us: their own names may not be durable yet
        try:
            self.root.take_lock()
        except BaseException:
            self.root.close()
            raise

    @classmethod
    def of_broker(cls, path: str, open_files_max: int = OPEN_FILES_MAX) -> FileStorage:
        """Lock a broker's data directory, made if it is missing.

        Raises:
            DirectoryRefused: it is somebody else's; nothing was made in it, not even the lock.
            StorageError: it cannot be made, read or locked.
        """
        if os.path.isdir(path):
            looked_at = DirectoryLookedAt(path)
            try:
                owner_mark(looked_at)
            finally:
                looked_at.close()
        return cls(path, open_files_max)

    def full_path(self, path: str) -> str:
        return self.root.full(path)

    def open_file(self, path: str) -> DiskFile:
        try:  # here and in other reads, named() would take longer than the call
            return DiskFile(self.open_files, path, self._size_of(path))
        except OSError as error:
            raise refusal(self.root.full(path), error) from error

    def _size_of(self, path: str) -> int:
        found = self.root.stat(path)
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise StorageError(self.root.full(path), "is no regular file")
        return found.st_size

    def create_file(self, path: str) -> DiskFile:
        with named(self.root.full(path)):
            descriptor = self.open_files.granted(
                lambda: self.root.create(path, os.O_RDWR | os.O_APPEND)
            )
        return DiskFile(self.open_files, path, 0, descriptor, self._directories_of(path))

    def preallocate(self, path: str, size_bytes: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        with named(self.root.full(path)):
            descriptor = self.open_files.granted(lambda: self.root.open(path, flags))
            try:
                size = os.fstat(descriptor).st_size
                try:
                    _allocate(descriptor, size_bytes)
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)

    def _directories_of(self, path: str) -> tuple[str, ...]:
        """The directories to flush before the name `path` is durable."""
        directory = os.path.dirname(path)
        directories = [directory]
        while directory in self._new_dirs:
            directory = os.path.dirname(directory)
            directories.append(directory)
        return tuple(directories)

    def list_dir(self, path: str) -> list[str]:
        try:
            if not path:
                return sorted(os.listdir(self.root.descriptor))
            descriptor = self.open_files.granted(
                lambda: self.root.open(path, os.O_RDONLY | os.O_DIRECTORY)
            )
            try:
                return sorted(os.listdir(descriptor))
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise refusal(self.root.full(path), error) from error

    def make_dirs(self, path: str) -> None:
        missing: list[str] = []
        while path and not self.is_dir(path):
            missing.insert(0, path)
            path = os.path.dirname(path)
        for new in missing:
            with named(self.root.full(new)):
                os.mkdir(new, DIRECTORY_MODE, dir_fd=self.root.descriptor)
        self._new_dirs.update(missing)

    def exists(self, path: str) -> bool:
        try:
            self.root.stat(path)
        except OSError:
            return False
        return True

    def is_dir(self, path: str) -> bool:
        try:
            return stat.S_ISDIR(self.root.stat(path).st_mode)
        except OSError:
            return False

    def read_bytes(self, path: str) -> bytes:
        try:
            self._size_of(path)
            descriptor = self.open_files.granted(lambda: self.root.open(path, os.O_RDONLY))
            with open(descriptor, "rb", buffering=0) as file:
                return file.readall()
        except OSError as error:
            raise refusal(self.root.full(path), error) from error

    def replace(self, path: str, data: bytes) -> None:
        temporary = f"{path}.tmp"
        at = self.root.descriptor
        with named(self.root.full(path)):
            descriptor = self.open_files.granted(lambda: self.root.create(temporary, os.O_WRONLY))
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                _flush_descriptor(file.fileno())
            os.replace(temporary, path, src_dir_fd=at, dst_dir_fd=at)
            for directory in self._directories_of(path):
                self.root.flush_directory(directory)

    def rename(self, path: str, new_path: str) -> None:
        at = self.root.descriptor
        with named(self.root.full(path)):
            os.replace(path, new_path, src_dir_fd=at, dst_dir_fd=at)
        self._new_dirs.discard(path)

    def remove(self, path: str) -> None:
        with named(self.root.full(path)), contextlib.suppress(FileNotFoundError):
            os.unlink(path, dir_fd=self.root.descriptor)

    def remove_tree(self, path: str) -> None:
        import shutil  # here: it takes 5 ms to import, and starting must be quick

        with named(self.root.full(path)), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path, dir_fd=self.root.descriptor)
        self._new_dirs.discard(path)

    def space(self) -> tuple[int, int]:
        with named(self.root.path):
            volume = os.fstatvfs(self.root.descriptor)
        return volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize

    def flush_names(self, path: str = "") -> None:
        with named(self.root.full(path)):
            self.root.flush_directory(path)

    def sync_all(self) -> None:
        with named(self.root.path):
            self.root.sync()

    def verify(self) -> None:
        self.root.verify()

    def close(self) -> None:
        # 1. a start is refused, or a broker in a test is killed  2. nobody is left who would close
        # the logs that were open  3. their descriptors stay taken while this process lives.
        self.open_files.close_all()
        self.root.close()


class DirectoryLookedAt(FileStorage):
    """A data directory that is only read: nothing is made in it, not even a lock.

    Raises:
        StorageError: it is not there, or cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.root = Root(os.path.abspath(path))
        self.open_files = OpenFiles(self.root, OPEN_FILES_MAX)
        self._new_dirs = set()

    def refuse_if_in_use(self) -> None:
        """Raises DirectoryInUse, StorageError."""
        self.root.refuse_if_in_use()
