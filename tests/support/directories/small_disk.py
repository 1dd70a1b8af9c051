"""A disk in memory that has only so much room. Every byte of a file counts, names cost nothing."""

from __future__ import annotations

from collections.abc import Sequence

from minibroker.broker.storage.memory import MemoryFile, MemoryStorage
from minibroker.broker.storage.port import Buffer, NoSpace


class SmallFile(MemoryFile):
    """A file of a small disk."""

    __slots__ = ("_disk",)

    def __init__(self, path: str, disk: SmallDisk) -> None:
        super().__init__(path)
        self._disk = disk

    def append(self, buffers: Sequence[Buffer]) -> None:
        self._disk.require(sum(map(len, buffers)), self.path)
        super().append(buffers)


class SmallDisk(MemoryStorage):
    """Storage with `room_bytes` in all, which may be changed."""

    def __init__(self, room_bytes: int) -> None:
        super().__init__()
        self.room_bytes = room_bytes

    @property
    def usable_bytes(self) -> int:
        """What is left."""
        return max(self.room_bytes - sum(each.size for each in self._files.values()), 0)

    def fill(self) -> None:
        """From now on nothing fits any more."""
        self.room_bytes -= self.usable_bytes

    def require(self, count: int, path: str) -> None:
        """Raise NoSpace unless so many bytes are left."""
        if count > self.usable_bytes:
            raise NoSpace(path, "No space left on device")

    def create_file(self, path: str) -> SmallFile:
        super().create_file(path)
        file = self._files[path] = SmallFile(path, self)
        return file

    def replace(self, path: str, data: bytes) -> None:
        self.require(max(len(data), 1), path)  # for a moment there are two
        super().replace(path, data)

    def preallocate(self, path: str, size_bytes: int) -> None:
        file = self.open_file(path) if self.exists(path) else self.create_file(path)
        file.append([bytes(size_bytes - file.size)])

    def space(self) -> tuple[int, int]:
        return self.room_bytes, self.usable_bytes
