"""The storage port with nothing under it: files are byte arrays, gone with the process.

Behind `durability=memory` and the tests. Keeps the port's rules (port.py); flushing is free.
Tests: tests/unit/broker/storage/test_storage.py
"""

from __future__ import annotations

from collections.abc import Sequence

from .port import Buffer, StorageError


class MemoryFile:
    """A file that is one growing byte array. Implements storage.File."""

    __slots__ = ("_data", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._data = bytearray()

    @property
    def size(self) -> int:
        return len(self._data)

    def append(self, buffers: Sequence[Buffer]) -> None:
        data = self._data
        for buffer in buffers:
            data += buffer

    def read(self, position: int, count: int) -> bytes:
        with memoryview(self._data) as view:
            return bytes(view[position : position + count])

    def truncate(self, size: int) -> None:
        del self._data[size:]

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class MemoryStorage:
    """A data directory in memory. Implements storage.Storage."""

    def __init__(self) -> None:
        self._files: dict[str, MemoryFile] = {}
        self._dirs: dict[str, set[str]] = {"": set()}  # path -> names in it

    def open_file(self, path: str) -> MemoryFile:
        try:
            return self._files[path]
        except KeyError:
            raise StorageError(path, "no such file") from None

    def create_file(self, path: str) -> MemoryFile:
        directory, _, name = path.rpartition("/")
        if directory not in self._dirs:
            raise StorageError(path, "no such directory")
        self._dirs[directory].add(name)
        file = self._files[path] = MemoryFile(path)
        return file

    def preallocate(self, path: str, size_bytes: int) -> None:
        pass

    def list_dir(self, path: str) -> list[str]:
        return sorted(self._dirs.get(path, ()))

    def make_dirs(self, path: str) -> None:
        if path not in self._dirs:
            above, _, name = path.rpartition("/")
            self.make_dirs(above)
            self._dirs[above].add(name)
            self._dirs[path] = set()

    def full_path(self, path: str) -> str:
        return path

    def is_dir(self, path: str) -> bool:
        return path in self._dirs

    def exists(self, path: str) -> bool:
        return path in self._files or path in self._dirs

    def read_bytes(self, path: str) -> bytes:
        file = self.open_file(path)
        return file.read(0, file.size)

    def replace(self, path: str, data: bytes) -> None:
        self.create_file(path).append([data])

    def rename(self, path: str, new_path: str) -> None:
        if path in self._files:
            file = self.open_file(path)
            self.remove(path)
            file.path = new_path
            self.create_file(new_path)
            self._files[new_path] = file
        elif path in self._dirs:
            self.make_dirs(new_path)
            for name in self.list_dir(path):
                self.rename(f"{path}/{name}", f"{new_path}/{name}")
            self.remove_tree(path)
        else:
            raise StorageError(path, "no such file or directory")

    def remove(self, path: str) -> None:
        if self._files.pop(path, None) is not None:
            directory, _, name = path.rpartition("/")
            self._dirs[directory].discard(name)

    def remove_tree(self, path: str) -> None:
        for name in self.list_dir(path):
            self.remove_tree(f"{path}/{name}")
            self.remove(f"{path}/{name}")
        if self._dirs.pop(path, None) is not None:
            directory, _, name = path.rpartition("/")
            self._dirs[directory].discard(name)

    def space(self) -> tuple[int, int]:
        return -1, -1

    def flush_names(self, path: str = "") -> None:
        pass

    def verify(self) -> None:
        pass

    def sync_all(self) -> None:
        pass

    def close(self) -> None:
        pass
