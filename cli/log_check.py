"""EDGE: `minibroker log check DIR`: every batch read, and what the next start would do.

First each segment is read from its first byte, which a start spares itself below the recovery
point. Then the log is opened as a start would open it, on a storage that only pretends to write:
so what is told is what would happen. A row a log: kind "log" (sound), "cut" (a start would cut a
tail, loudly), "damaged" (a reader will meet it) or "refused" (the broker would not start).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..broker.log.checkpoints import RECOVERY_POINTS, decode_points, key_parts, log_key
from ..broker.log.epochs import LeaderEpochs
from ..broker.log.identity import read_topic_id
from ..broker.log.log import Log, LogConfig
from ..broker.log.recovery import Known, scan, segment_offsets
from ..broker.log.segment import Segment
from ..broker.log.storage import Buffer, DamagedLog, StorageError
from ..broker.sequences import SequenceTable
from .log_files import Row

LOCK_NAME = ".lock"


class DirectoryBusy(OSError):
    """A broker runs on the directory."""


class PretendFile:
    """A file that is read; what is written to it stays in memory. Implements storage.File."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self._written = b""
        self._kept = size  # bytes of the real file that count

    @property
    def size(self) -> int:
        return self._kept + len(self._written)

    def append(self, buffers: Sequence[Buffer]) -> None:
        self._written += b"".join(buffers)

    def read(self, position: int, count: int) -> bytes:
        data = b""
        if position < self._kept:
            with open(self.path, "rb") as file:
                file.seek(position)
                data = file.read(min(count, self._kept - position))
        start = max(position - self._kept, 0)
        return data + self._written[start : start + count - len(data)]

    def truncate(self, size: int) -> None:
        self._written = self._written[: max(size - self._kept, 0)]
        self._kept = min(self._kept, size)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class PretendStorage:
    """A data directory that is read and never changed. Implements storage.Storage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written: dict[str, PretendFile] = {}
        self._removed: set[str] = set()

    def open_file(self, path: str) -> PretendFile:
        if path not in self._written:
            if not self.exists(path):
                raise StorageError(path, "no such file")
            full = str(self.root / path)
            self._written[path] = PretendFile(full, os.stat(full).st_size)
        return self._written[path]

    def create_file(self, path: str) -> PretendFile:
        self._removed.discard(path)
        self._written[path] = PretendFile(str(self.root / path), 0)
        return self._written[path]

    def list_dir(self, path: str) -> list[str]:
        full = self.root / path
        names = os.listdir(full) if full.is_dir() else []
        return sorted(name for name in names if f"{path}/{name}" not in self._removed)

    def make_dirs(self, path: str) -> None:
        pass

    def full_path(self, path: str) -> str:
        return str(self.root / path)

    def is_dir(self, path: str) -> bool:
        return (self.root / path).is_dir()

    def preallocate(self, path: str, size_bytes: int) -> None:
        pass

    def flush_names(self) -> None:
        pass

    def verify(self) -> None:
        pass

    def exists(self, path: str) -> bool:
        is_there = path in self._written or (self.root / path).exists()
        return is_there and path not in self._removed

    def read_bytes(self, path: str) -> bytes:
        file = self.open_file(path)
        return file.read(0, file.size)

    def replace(self, path: str, data: bytes) -> None:
        self.create_file(path).append([data])

    def rename(self, path: str, new_path: str) -> None:
        raise StorageError(path, f"nothing is renamed here, not to {new_path} either")

    def remove(self, path: str) -> None:
        self._written.pop(path, None)
        self._removed.add(path)

    def remove_tree(self, path: str) -> None:
        raise StorageError(path, "no directory is removed here")

    def sync_all(self) -> None:
        pass

    def space(self) -> tuple[int, int]:
        return -1, -1

    def close(self) -> None:
        pass


def check_directory(root: Path) -> Iterator[Row]:
    """Check all logs of a data directory, a row each.

    Raises:
        OSError: there is no such directory, or a broker runs on it.
    """
    names = sorted(os.listdir(root))
    _refuse_if_in_use(root)
    storage = PretendStorage(root)
    points: dict[str, int] | None = None
    if RECOVERY_POINTS in names:
        points = decode_points(storage.read_bytes(RECOVERY_POINTS))
    for name in names:
        topic, dash, number = name.rpartition("-")
        if topic and dash and number.isdecimal() and (root / name).is_dir():
            yield _check(root, name, points)


def _refuse_if_in_use(root: Path) -> None:
    lock = root / LOCK_NAME
    if not lock.exists():
        return
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DirectoryBusy(11, "in use by a broker: stop it first", str(root)) from None


def _check(root: Path, directory: str, points: dict[str, int] | None) -> Row:
    storage = PretendStorage(root)
    row: Row = {"kind": "log", "log": directory}
    topic_id = read_topic_id(storage, directory)
    flushed_offset = _flushed_offset(directory, topic_id, points)
    fault = _first_fault(storage, directory)
    try:
        log = Log.open(
            storage,
            directory,
            LogConfig(),
            lambda header: None,
            producers=SequenceTable(),
            known=Known(flushed_offset=flushed_offset),
        )
    except DamagedLog as error:
        row |= {"kind": "refused", "file": error.path, "position": error.position}
        return row | {"why": error.why, "a start would": "refuse; nothing is changed"}
    except StorageError as error:
        return row | {"kind": "refused", "file": error.path, "why": error.why}
    row |= {
        "log_start_offset": log.log_start_offset,
        "log_end_offset": log.log_end_offset,
        "flushed_offset": flushed_offset,
        "segments": len(log.segments),
        "size_bytes": log.size_bytes,
    }
    report = log.recovery
    if report is not None:
        row |= {"kind": "cut", "file": report.path, "position": report.position}
        row |= {"why": report.why, "a start would": f"cut {report.bytes_cut} bytes"}
    elif fault is not None:
        path, position, why = fault
        row |= {"kind": "damaged", "file": path, "position": position, "why": why}
        row |= {"a start would": "not read it; a consumer will"}
    if log.notes:
        row["notes"] = log.notes
    return row


def _flushed_offset(
    directory: str, topic_id: bytes | None, points: dict[str, int] | None
) -> int | None:
    if points is None:
        return None
    if topic_id is None:  # damaged or never there: the newest point of that directory
        return max((at for key, at in points.items() if key_parts(key)[0] == directory), default=0)
    return points.get(log_key(directory, topic_id), 0)


def _first_fault(storage: PretendStorage, directory: str) -> tuple[str, int, str] | None:
    """Where the first batch that does not hold begins: file, position and why; None if all do."""
    epochs = LeaderEpochs()
    for base in segment_offsets(storage.list_dir(directory)):
        segment = Segment(storage, directory, base)
        why = scan(segment, epochs, 4096, lambda header: None)
        if why:
            return segment.file.path, segment.size, why
    return None
