"""A data directory that only seems to change: what is written stays in memory, above another one.

So `minibroker log check` lets the start's own code run and nothing comes of it. Files and names are
taken from below when they are first asked for; from then on this one has its own view of them.
Implements the port of port.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .port import Buffer, File, Storage, StorageError


class OverlayFile:
    """A file whose bytes below stay as they are. Implements storage.File.

    Args:
        below: what is there; None for a new file.
    """

    def __init__(self, path: str, below: File | None) -> None:
        self.path = path
        self._below = below
        self._kept_bytes = below.size if below is not None else 0  # of the file below
        self._written = bytearray()

    @property
    def size(self) -> int:
        return self._kept_bytes + len(self._written)

    def append(self, buffers: Sequence[Buffer]) -> None:
        for buffer in buffers:
            self._written += buffer

    def read(self, position: int, count: int) -> bytes:
        data = b""
        if self._below is not None and position < self._kept_bytes:
            data = self._below.read(position, min(count, self._kept_bytes - position))
        begin = max(position - self._kept_bytes, 0)
        return data + bytes(self._written[begin : begin + count - len(data)])

    def truncate(self, size: int) -> None:
        del self._written[max(size - self._kept_bytes, 0) :]
        self._kept_bytes = min(self._kept_bytes, size)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if self._below is not None:
            self._below.close()


class OverlayDirectory:
    """Names, taken from below when they are first asked for."""

    def __init__(self, below: str | None) -> None:
        self.below = below
        self.names: dict[str, Node] | None = None if below is not None else {}


class Untouched:
    """Something below that nobody has asked for yet: its path there."""

    def __init__(self, below: str) -> None:
        self.below = below


Node: TypeAlias = "OverlayFile | OverlayDirectory | Untouched"


class Overlay:
    """A view of a storage that can be changed without changing it. Implements storage.Storage."""

    def __init__(self, below: Storage) -> None:
        self._below = below
        self._root = OverlayDirectory("")

    def full_path(self, path: str) -> str:
        return self._below.full_path(path)

    def open_file(self, path: str) -> OverlayFile:
        node = self._find(path)
        if not isinstance(node, OverlayFile):
            raise StorageError(self.full_path(path), "no such file")
        return node

    def create_file(self, path: str) -> OverlayFile:
        names, name = self._names_above(path)
        if self.is_dir(path):
            raise StorageError(self.full_path(path), "is a directory")
        file = names[name] = OverlayFile(self.full_path(path), None)
        return file

    def preallocate(self, path: str, size_bytes: int) -> None:
        self.create_file(path)  # as if there were room

    def list_dir(self, path: str) -> list[str]:
        node = self._find(path)
        if node is None:
            return []
        if not isinstance(node, OverlayDirectory):
            raise StorageError(self.full_path(path), "is no directory")
        return sorted(self._names_of(node))

    def make_dirs(self, path: str) -> None:
        if path and not self.is_dir(path):
            self.make_dirs(path.rpartition("/")[0])
            names, name = self._names_above(path)
            if name in names:
                raise StorageError(self.full_path(path), "is no directory")
            names[name] = OverlayDirectory(None)

    def exists(self, path: str) -> bool:
        names, name = self._names_or_none(path)
        node = names.get(name) if names is not None else None
        # A link that leads nowhere has a name and is not there.
        return self._below.exists(node.below) if isinstance(node, Untouched) else node is not None

    def is_dir(self, path: str) -> bool:
        return not path or isinstance(self._find_or_none(path), OverlayDirectory)

    def read_bytes(self, path: str) -> bytes:
        file = self.open_file(path)
        return file.read(0, file.size)

    def replace(self, path: str, data: bytes) -> None:
        self.create_file(path).append([data])

    def rename(self, path: str, new_path: str) -> None:
        names, name = self._names_above(path)
        if name not in names:
            raise StorageError(self.full_path(path), "no such file or directory")
        new_names, new_name = self._names_above(new_path)
        new_names[new_name] = names.pop(name)

    def remove(self, path: str) -> None:
        names, name = self._names_or_none(path)
        if names is not None:
            names.pop(name, None)

    def remove_tree(self, path: str) -> None:
        self.remove(path)

    def space(self) -> tuple[int, int]:
        return -1, -1

    def flush_names(self, path: str = "") -> None:
        pass

    def verify(self) -> None:
        pass

    def sync_all(self) -> None:
        pass

    def close(self) -> None:
        self._below.close()

    def _find(self, path: str) -> OverlayFile | OverlayDirectory | None:
        """What a path names, looked at below if it is new here. Raises StorageError."""
        if not path:
            return self._root
        names, name = self._names_or_none(path)
        node = names.get(name) if names is not None else None
        if not isinstance(node, Untouched):
            return node
        assert names is not None
        found: OverlayFile | OverlayDirectory
        if self._below.is_dir(node.below):
            found = OverlayDirectory(node.below)
        else:
            found = OverlayFile(self.full_path(path), self._below.open_file(node.below))
        names[name] = found
        return found

    def _find_or_none(self, path: str) -> OverlayFile | OverlayDirectory | None:
        try:
            return self._find(path)
        except StorageError:
            return None

    def _names_or_none(self, path: str) -> tuple[dict[str, Node] | None, str]:
        above, _, name = path.rpartition("/")
        directory = self._find_or_none(above)
        if not isinstance(directory, OverlayDirectory):
            return None, name
        return self._names_of(directory), name

    def _names_above(self, path: str) -> tuple[dict[str, Node], str]:
        names, name = self._names_or_none(path)
        if names is None:
            raise StorageError(self.full_path(path), "no such directory")
        return names, name

    def _names_of(self, directory: OverlayDirectory) -> dict[str, Node]:
        if directory.names is None:
            below = directory.below
            assert below is not None
            prefix = f"{below}/" if below else ""
            directory.names = {
                name: Untouched(prefix + name) for name in self._below.list_dir(below)
            }
        return directory.names
