"""A journal's directory on a simulated disk, and in memory to be looked at and spoilt.

Implements client/session/journal_port.py; files are those of SimulatedDisk, names are durable only
when they are flushed, and a note is written in place and never flushed.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence
from random import Random

from minibroker.broker.storage.port import DirectoryInUse
from minibroker.client.errors import SessionInUse
from minibroker.testing.simulated_disk import (
    IO_ERROR,
    NO_SPACE,
    Directory,
    DiskError,
    Node,
    SimulatedDisk,
    Write,
)
from minibroker.testing.simulated_storage import SimulatedStorage

CODES = {NO_SPACE: errno.ENOSPC, IO_ERROR: errno.EIO}


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except DiskError as error:
        raise OSError(CODES.get(str(error), errno.ENOENT), str(error)) from error


class SimulatedJournalFile:
    """A file of a simulated journal. Implements journal_port.JournalFile."""

    def __init__(self, owner: SimulatedJournal, name: str, node: Node) -> None:
        self._owner = owner
        self._name = name
        self._node = node

    def append(self, buffers: Sequence[bytes]) -> None:
        self._owner.check_alive()
        with _as_os_error():
            for buffer in buffers:  # a step each: a crash may come between any two
                self._owner.disk.write(self._node, self._name, buffer)

    def flush(self) -> None:
        self._owner.check_alive()
        with _as_os_error():
            self._owner.disk.begin_flush(self._name, [self._node], []).finish()

    def close(self) -> None:
        pass


class SimulatedJournal:
    """The directory of a session, alone on a simulated disk. Implements journal_port.JournalDisk.

    Raises:
        SessionInUse: another process has it.
    """

    def __init__(self, disk: SimulatedDisk, path: str = "session") -> None:
        self.disk = disk
        self.path = path
        try:
            self._storage = SimulatedStorage(disk)
        except DirectoryInUse as error:
            raise SessionInUse(f"{path} is in use") from error

    def check_alive(self) -> None:
        """Raises Crashed for a process that has ended."""
        self._storage.check_alive()

    def names(self) -> list[str]:
        return self._storage.list_dir("")

    def read(self, name: str) -> bytes:
        with _as_os_error():
            return bytes(self._find(name).data)

    def create(self, name: str) -> SimulatedJournalFile:
        self.check_alive()
        with _as_os_error():
            if name in self.names():
                self.disk.unlink(name)
            node = Node()
            self.disk.link(name, node)
        return SimulatedJournalFile(self, name, node)

    def rename(self, name: str, new_name: str) -> None:
        self.check_alive()
        with _as_os_error():
            self.disk.rename(name, new_name)

    def remove(self, name: str) -> None:
        self.check_alive()
        with _as_os_error():
            self.disk.unlink(name)

    def flush_names(self) -> None:
        self.check_alive()
        with _as_os_error():
            self.disk.begin_flush("", [], [self.disk.root]).finish()

    def note(self, name: str, data: bytes) -> None:
        self.check_alive()
        with _as_os_error():
            node = self.disk.find(name)
            if not isinstance(node, Node):
                node = Node()
                self.disk.link(name, node)
            self.disk.step("write", name)
            node.change(Write(0, data))

    def close(self) -> None:
        self._storage.close()

    def _find(self, name: str) -> Node:
        self.check_alive()
        node = self.disk.find(name)
        if not isinstance(node, Node):
            raise DiskError("No such file or directory")
        self.disk.step("read", name)
        return node


class Shelf:
    """What a journal's directory holds, as bytes: `put` on a disk to be opened, again and again."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    @classmethod
    def of(cls, disk: SimulatedDisk) -> Shelf:
        """What is there now."""
        return cls({name: bytes(node.data) for name, node in disk.files()})

    def put(self, seed: int = 0) -> SimulatedDisk:
        """A disk with just that, all of it durable."""
        disk = SimulatedDisk(Random(seed))
        for name, data in self.files.items():
            node = Node()
            node.data, node.durable = bytearray(data), bytearray(data)
            for names in (disk.root.names, disk.root.durable):
                _name(names, name, node)
        return disk

    def spoilt(self, name: str, data: bytes) -> Shelf:
        """The same with another content of a file."""
        return Shelf({**self.files, name: data})


def _name(names: dict[str, Node | Directory], name: str, node: Node) -> None:
    names[name] = node
