"""A storage whose flushes wait for the test, or fail: for tests of acknowledgements.

Everything else is kept in memory. Flushes run in threads, so what they wait for is thread-safe.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

from minibroker.broker.runtime import RealClock
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import Buffer, File, StorageError
from minibroker.broker.world import World

WAIT_S = 10.0


class HeldFlushes:
    """Holds every flush until `release`; `fail_next` makes the next one fail."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self._released.set()
        self._why = ""
        self.count = 0
        self.waiting: set[int] = set()  # the threads

    def hold(self) -> None:
        """From now on flushes wait."""
        self._released.clear()

    def release(self) -> None:
        """Let them go."""
        self._released.set()

    def fail(self, why: str) -> None:
        """From now on flushes fail."""
        self._why = why

    def pass_through(self, path: str) -> None:
        """What every flush does."""
        self.waiting.add(threading.get_ident())
        is_released = self._released.wait(WAIT_S)
        self.waiting.discard(threading.get_ident())
        if not is_released:
            raise StorageError(path, "the test never released this flush")
        self.count += 1
        if self._why:
            raise StorageError(path, self._why)


class HeldFile:
    """A file whose flush asks HeldFlushes first. Implements storage.File."""

    def __init__(self, file: File, flushes: HeldFlushes) -> None:
        self._file = file
        self._flushes = flushes

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def size(self) -> int:
        return self._file.size

    def append(self, buffers: Sequence[Buffer]) -> None:
        self._file.append(buffers)

    def read(self, position: int, count: int) -> bytes:
        return self._file.read(position, count)

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def flush(self) -> None:
        self._flushes.pass_through(self._file.path)

    def close(self) -> None:
        self._file.close()


class HeldStorage(MemoryStorage):
    """MemoryStorage with held flushes. Implements storage.Storage."""

    def __init__(self, flushes: HeldFlushes) -> None:
        super().__init__()
        self._flushes = flushes

    def open_file(self, path: str) -> File:  # type: ignore[override]  # the port promises a File
        return HeldFile(super().open_file(path), self._flushes)

    def create_file(self, path: str) -> File:  # type: ignore[override]
        return HeldFile(super().create_file(path), self._flushes)

    def sync_all(self) -> None:
        self._flushes.pass_through("all")


def world_with(flushes: HeldFlushes) -> World:
    """The real clock, and a disk whose flushes the test decides."""
    return World(RealClock(), HeldStorage(flushes), random.Random(1))
