"""EDGE: a storage with faults: full, broken, slow, cut short, or the place where the broker dies.

It stands around any storage (storage.py), only in brokers that were started with faults, and costs
one test an operation while no rule of storage is armed. Flushes run in threads, so rules are
judged under a lock.
Tests: tests/system/testing/test_faults.py, tests/system/directory/test_storage_faults.py
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..storage.port import Buffer, File, NoSpace, Storage, StorageError
from ..world import Crashed
from .rules import (
    ArmedRule,
    Crash,
    Delay,
    DiskError,
    DiskFull,
    Faults,
    Instant,
    ShortenWrite,
    due,
)
from .scope import Part


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation on storage. Implements faults.Occasion."""

    path: str
    api: str = ""
    client_id: str = ""
    connection: int = 0
    parts: tuple[Part, ...] = ()


class FaultyFile:
    """A file of a faulty storage. Implements storage.File."""

    __slots__ = ("_file", "_name", "_storage")

    def __init__(self, storage: FaultyStorage, name: str, file: File) -> None:
        self._storage = storage
        self._name = name
        self._file = file

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def size(self) -> int:
        return self._file.size

    def append(self, buffers: Sequence[Buffer]) -> None:
        if not self._storage.is_disturbed:
            self._file.append(buffers)
            return
        with self._storage.at(Instant.WRITE, self._name, buffers, self._file):
            self._file.append(buffers)

    def read(self, position: int, count: int) -> bytes:
        if not self._storage.is_disturbed:
            return self._file.read(position, count)
        with self._storage.at(Instant.READ, self._name):
            return self._file.read(position, count)

    def truncate(self, size: int) -> None:
        with self._storage.at(Instant.TRUNCATE, self._name):
            self._file.truncate(size)

    def flush(self) -> None:
        with self._storage.at(Instant.FLUSH, self._name):
            self._file.flush()

    def close(self) -> None:
        self._file.close()


class FaultyStorage:
    """Storage that does what the armed rules of storage say. Implements storage.Storage.

    Args:
        storage: what is really there.
        die: performs a crash; if it returns, the crash was a simulated one and everything that
            is asked of this storage from then on raises Crashed.
    """

    def __init__(self, storage: Storage, faults: Faults, die: Callable[[ArmedRule], None]) -> None:
        self._storage = storage
        self._faults = faults
        self._die = die
        self._lock = threading.Lock()
        self._is_dead = False

    @property
    def is_disturbed(self) -> bool:
        """Whether an operation needs a look at the rules."""
        return self._is_dead or bool(self._faults.storage_rules)

    def kill(self) -> None:
        """From now on everything raises Crashed."""
        self._is_dead = True

    @contextmanager
    def at(
        self,
        instant: Instant,
        path: str,
        buffers: Sequence[Buffer] = (),
        file: File | None = None,
    ) -> Iterator[None]:
        """Around one operation: what the armed rules do to it.

        Args:
            buffers: what a write brings.
            file: where to, if the write can be shortened.
        Raises:
            StorageError: the operation fails.
            Crashed: the broker has died, now or before.
        """
        if self._is_dead:
            raise Crashed
        dies_after: ArmedRule | None = None
        for armed in self._due(instant, path, sum(map(len, buffers))):
            match armed.rule.action:
                case Delay(delay_ms):
                    time.sleep(delay_ms / 1000)
                case DiskFull():
                    raise NoSpace(path, os.strerror(errno.ENOSPC))
                case DiskError():
                    raise StorageError(path, os.strerror(errno.EIO))
                case ShortenWrite(count, then):
                    self._shorten(file, buffers, count)
                    if then == "crash":
                        self._crash(armed)
                    if file is not None:
                        file.truncate(file.size - _shortened(buffers, count))
                    raise NoSpace(path, os.strerror(errno.ENOSPC))
                case Crash("after"):
                    dies_after = armed
                case Crash():
                    self._crash(armed)
        yield
        if dies_after is not None:
            self._crash(dies_after)

    def _due(self, instant: Instant, path: str, size: int) -> list[ArmedRule]:
        operation = Operation(path)
        with self._lock:
            covering = [each for each in self._faults.storage_rules if each.rule.covers(operation)]
            if instant is Instant.WRITE:
                covering = [each for each in covering if not _has_room(each, size)]
            return list(due(instant, covering))

    def _shorten(self, file: File | None, buffers: Sequence[Buffer], count: int) -> None:
        if file is not None:
            file.append([b"".join(buffers)[: _shortened(buffers, count)]])

    def _crash(self, armed: ArmedRule) -> None:
        self._die(armed)
        self._is_dead = True
        raise Crashed

    def open_file(self, path: str) -> File:
        return FaultyFile(self, path, self._storage.open_file(path))

    def create_file(self, path: str) -> File:
        with self.at(Instant.CREATE, path):
            return FaultyFile(self, path, self._storage.create_file(path))

    def preallocate(self, path: str, size_bytes: int) -> None:
        with self.at(Instant.CREATE, path):
            self._storage.preallocate(path, size_bytes)

    def list_dir(self, path: str) -> list[str]:
        return self._storage.list_dir(path)

    def make_dirs(self, path: str) -> None:
        with self.at(Instant.CREATE, path):
            self._storage.make_dirs(path)

    def full_path(self, path: str) -> str:
        return self._storage.full_path(path)

    def is_dir(self, path: str) -> bool:
        return self._storage.is_dir(path)

    def exists(self, path: str) -> bool:
        return self._storage.exists(path)

    def read_bytes(self, path: str) -> bytes:
        with self.at(Instant.READ, path):
            return self._storage.read_bytes(path)

    def replace(self, path: str, data: bytes) -> None:
        with self.at(Instant.WRITE, path, [data]), self.at(Instant.REPLACE, path):
            self._storage.replace(path, data)

    def rename(self, path: str, new_path: str) -> None:
        with self.at(Instant.RENAME, path):
            self._storage.rename(path, new_path)

    def remove(self, path: str) -> None:
        with self.at(Instant.REMOVE, path):
            self._storage.remove(path)

    def remove_tree(self, path: str) -> None:
        with self.at(Instant.REMOVE, path):
            self._storage.remove_tree(path)

    def space(self) -> tuple[int, int]:
        return self._storage.space()

    def flush_names(self, path: str = "") -> None:
        with self.at(Instant.FLUSH, path):
            self._storage.flush_names(path)

    def verify(self) -> None:
        self._storage.verify()

    def sync_all(self) -> None:
        with self.at(Instant.FLUSH, ""):
            self._storage.sync_all()

    def close(self) -> None:
        self._storage.close()


def _shortened(buffers: Sequence[Buffer], count: int) -> int:
    """How many bytes of a write arrive."""
    return min(count, max(sum(map(len, buffers)) - 1, 0))


def _has_room(armed: ArmedRule, size: int) -> bool:
    """Whether a write fits on the disk that DiskFull makes; counts what was written."""
    action = armed.rule.action
    if not isinstance(action, DiskFull) or not size:
        return False
    if armed.bytes_written + size > action.after_bytes:
        return False
    armed.bytes_written += size
    return True
