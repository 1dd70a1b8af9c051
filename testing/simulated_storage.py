"""The storage port on a simulated disk, with the same calls in the same order as on a real one.

Here: which steps each verb of the port is made of, as in broker/storage/files.py. Not here: what a
step does and what is left after a crash (simulated_disk.py).
Tests: tests/unit/testing/test_simulated_disk.py
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from ..broker.storage.port import Buffer, DirectoryInUse, StorageError
from .simulated_disk import NOT_FOUND, Crashed, Directory, DiskError, Flush, Node, SimulatedDisk


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    try:
        yield
    except DiskError as error:
        raise StorageError(path, str(error)) from error


class SimulatedFile:
    """A file on a simulated disk. Implements storage.File."""

    __slots__ = ("_has_torn_end", "_new_names_in", "_node", "_size", "_storage", "path")

    def __init__(
        self, storage: SimulatedStorage, path: str, node: Node, new_names_in: tuple[str, ...] = ()
    ) -> None:
        self.path = path
        self._storage = storage
        self._node: Node | None = node
        self._size = len(node.data)
        self._new_names_in = new_names_in
        self._has_torn_end = False

    @property
    def size(self) -> int:
        return self._size

    def append(self, buffers: Sequence[Buffer]) -> None:
        node, disk = self._open(), self._storage.disk
        if self._has_torn_end:
            self.truncate(self._size)
        data = b"".join(buffers)
        try:
            with _named(self.path):
                disk.write(node, self.path, data)
        except StorageError:
            self._has_torn_end = True
            with contextlib.suppress(StorageError):
                self.truncate(self._size)
            raise
        self._size += len(data)

    def read(self, position: int, count: int) -> bytes:
        node = self._open()
        with _named(self.path):
            self._storage.disk.step("read", self.path)
        return bytes(node.data[position : position + count])

    def truncate(self, size: int) -> None:
        node = self._open()
        with _named(self.path):
            self._storage.disk.cut(node, self.path, size)
        self._size = size
        self._has_torn_end = False

    def flush(self) -> None:
        for flush in self.begin_flushes():
            with _named(self.path):
                flush.finish()
        self.flushed()

    def begin_flushes(self) -> list[Flush]:
        """What flush() waits for, one after the other, for a world in which that takes time."""
        disk = self._storage.disk
        try:
            node = self._open()
        except StorageError:
            return []
        flushes = [disk.begin_flush(self.path, [node], [])]
        for path in self._new_names_in:
            directory = disk.find(path)
            if isinstance(directory, Directory):
                flushes.append(disk.begin_flush(path, [], [directory]))
        return flushes

    def flushed(self) -> None:
        """All of begin_flushes() have ended well."""
        self._new_names_in = ()

    def close(self) -> None:
        self._node = None

    def _open(self) -> Node:
        self._storage.check_alive()
        if self._node is None:
            node = self._storage.disk.find(self.path)
            if not isinstance(node, Node):
                raise StorageError(self.path, NOT_FOUND)
            self._node = node
        return self._node


class SimulatedStorage:
    """A data directory on a simulated disk, for one process. Implements storage.Storage.

    Raises:
        DirectoryInUse: another process has it.
    """

    def __init__(self, disk: SimulatedDisk) -> None:
        if disk.in_use:
            raise DirectoryInUse("the simulated disk is in use by another broker")
        disk.in_use = True
        self.disk = disk
        self._start = disk.starts
        self._new_dirs: set[str] = set()

    def check_alive(self) -> None:
        """Raises Crashed for a process that has ended."""
        if self.disk.is_down or self._start != self.disk.starts:
            raise Crashed("this process has ended")

    def open_file(self, path: str) -> SimulatedFile:
        return SimulatedFile(self, path, self._file(path))

    def create_file(self, path: str) -> SimulatedFile:
        self.check_alive()
        with _named(path):
            node = self.disk.find(path)
            if isinstance(node, Node):
                self.disk.cut(node, path, 0)
            else:
                node = Node()
                self.disk.link(path, node)
        return SimulatedFile(self, path, node, self._directories_of(path))

    def preallocate(self, path: str, size_bytes: int) -> None:
        self.check_alive()

    def list_dir(self, path: str) -> list[str]:
        self.check_alive()
        directory = self.disk.find(path)
        return sorted(directory.names) if isinstance(directory, Directory) else []

    def make_dirs(self, path: str) -> None:
        self.check_alive()
        if self.disk.find(path) is None:
            above = path.rpartition("/")[0]
            if above:
                self.make_dirs(above)
            with _named(path):
                self.disk.link(path, Directory())
            self._new_dirs.add(path)

    def full_path(self, path: str) -> str:
        return path

    def is_dir(self, path: str) -> bool:
        self.check_alive()
        return isinstance(self.disk.find(path), Directory)

    def exists(self, path: str) -> bool:
        self.check_alive()
        return self.disk.find(path) is not None

    def read_bytes(self, path: str) -> bytes:
        node = self._file(path)
        with _named(path):
            self.disk.step("read", path)
        return bytes(node.data)

    def replace(self, path: str, data: bytes) -> None:
        temporary = f"{path}.tmp"
        file = self.create_file(temporary)
        node = self._file(temporary)
        with _named(path):
            self.disk.write(node, temporary, data)
            self.disk.begin_flush(temporary, [node], []).finish()
            self.disk.rename(temporary, path)
            for name in self._directories_of(path):
                directory = self.disk.find(name)
                assert isinstance(directory, Directory)
                self.disk.begin_flush(name, [], [directory]).finish()
        file.close()

    def rename(self, path: str, new_path: str) -> None:
        self.check_alive()
        with _named(path):
            self.disk.rename(path, new_path)
        self._new_dirs.discard(path)

    def remove(self, path: str) -> None:
        self.check_alive()
        if self.disk.find(path) is not None:
            with _named(path):
                self.disk.unlink(path)

    def remove_tree(self, path: str) -> None:
        self.check_alive()
        tree = self.disk.find(path)
        if tree is None:
            return
        for name in list(tree.names) if isinstance(tree, Directory) else ():
            self.remove_tree(f"{path}/{name}")
        self.remove(path)
        self._new_dirs.discard(path)

    def space(self) -> tuple[int, int]:
        return -1, -1

    def flush_names(self, path: str = "") -> None:
        self.check_alive()
        with _named(path or "the data directory"):
            directory = self.disk.find(path) if path else self.disk.root
            assert isinstance(directory, Directory)
            self.disk.begin_flush(path, [], [directory]).finish()

    def verify(self) -> None:
        self.check_alive()

    def sync_all(self) -> None:
        self.check_alive()
        with _named("all files"):
            self.disk.begin_flush_of_all().finish()

    def close(self) -> None:
        if self._start == self.disk.starts:
            self.disk.in_use = False

    def _file(self, path: str) -> Node:
        self.check_alive()
        node = self.disk.find(path)
        if not isinstance(node, Node):
            raise StorageError(path, NOT_FOUND)
        return node

    def _directories_of(self, path: str) -> tuple[str, ...]:
        """The directories to flush before the name `path` is durable."""
        directory = path.rpartition("/")[0]
        directories = [directory]
        while directory in self._new_dirs:
            directory = directory.rpartition("/")[0]
            directories.append(directory)
        return tuple(directories)
