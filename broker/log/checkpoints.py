"""Small files beside the logs, in the data directory itself; two say how far logs can be trusted.

    recovery-points  up to where each log had been flushed, written on and on
    clean-stop       what every log was when the broker stopped; empty while it runs
    running-time     for how long brokers have run here (directory/running_clock.py)
    reserve          space for deletions on a full disk, of no content (directory/reserve.py)

A log is named by its key, directory and topic id, so that nothing of a deleted topic is taken for
its successor of the same name. What is damaged says nothing: the logs are then read.
Why the recovery points need no flush of their own: docs/decisions/0007.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from crc32c import crc32c

from ..storage.names import RECOVERY_POINTS
from ..storage.port import File, Storage, StorageError
from . import summary
from .summary import Summary

_POINTS_MAGIC: Final = b"minibroker recovery points 1\n"
_CLEAN_MAGIC: Final = b"minibroker clean stop 1 "
_RUNNING_MAGIC: Final = b"minibroker running time 1 "
_REWRITE_BYTES: Final = 1024 * 1024  # at 18 bytes a point, one rewrite in some 58,000 flushes
_CRC: Final = struct.Struct(">IH")  # CRC-32C and length of what follows
_POINT: Final = struct.Struct(">Iq")  # number of the log, offset; its key follows the first time


def log_key(directory: str, topic_id: bytes | None) -> str:
    """The name under which the files here know a log; it holds one blank, in front of the id."""
    return f"{directory} {topic_id.hex() if topic_id else '-'}"


def key_parts(key: str) -> tuple[str, bytes]:
    """The directory and the topic id, b"" for none, of a key."""
    directory, _, topic_id = key.rpartition(" ")
    return directory, b"" if topic_id == "-" else bytes.fromhex(topic_id)


class RecoveryPoints:
    """How far each log had been flushed: a journal, rewritten when it has grown long.

    Never says more than is durable: note() after the flush, not before. A power loss may take the
    end of the journal, which makes points older; kill -9 takes nothing.

    Args:
        warn: takes one line for the operator.
    """

    def __init__(self, storage: Storage, warn: Callable[[str], None]) -> None:
        self._storage = storage
        self._offsets: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._file: File | None = None
        self.is_known = False
        if storage.exists(RECOVERY_POINTS):
            points = decode_points(storage.read_bytes(RECOVERY_POINTS))
            if points is None:
                warn(f"{RECOVERY_POINTS} is damaged: how far logs had been flushed is not known")
            else:
                self._offsets, self.is_known = points, True

    def items(self) -> list[tuple[str, int]]:
        """The point of every log that has one, by key."""
        return list(self._offsets.items())

    def of(self, key: str) -> int | None:
        """The offset before which everything of a log was flushed; None if nothing is known."""
        return self._offsets.get(key, 0) if self.is_known else None

    def begin(self, offsets: Mapping[str, int]) -> None:
        """Begin the journal anew with these points, durably. Raises StorageError."""
        self._offsets = dict(offsets)
        self.is_known = True
        self._numbers = {}  # if this fails, each key is written once more before its number is used
        points = enumerate(self._offsets.items())
        frames = [_frame(number, offset, key) for number, (key, offset) in points]
        self.close()
        self._storage.replace(RECOVERY_POINTS, _POINTS_MAGIC + b"".join(frames))
        self._numbers = {key: number for number, key in enumerate(self._offsets)}

    def note(self, flushed: Iterable[tuple[str, int]]) -> None:
        """Logs have been flushed up to these offsets (exclusive).

        A failed write is let pass: an older point is right too.
        """
        frames: list[bytes] = []
        for key, offset in flushed:
            self._offsets[key] = offset
            number = self._numbers.get(key)
            if number is None:
                number = self._numbers[key] = len(self._numbers)
                frames.append(_frame(number, offset, key))
            else:
                frames.append(_frame(number, offset, ""))
        with contextlib.suppress(StorageError):
            if self._file is None:
                self._file = self._storage.open_file(RECOVERY_POINTS)
            self._file.append([b"".join(frames)])
            if self._file.size > _REWRITE_BYTES + 200 * len(self._offsets):
                self.begin(self._offsets)

    def forget(self, key: str) -> None:
        """A log has been deleted for good."""
        self._offsets.pop(key, None)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _frame(number: int, offset: int, key: str) -> bytes:
    point = _POINT.pack(number, offset) + key.encode()
    return _CRC.pack(crc32c(point), len(point)) + point


def decode_points(data: bytes) -> dict[str, int] | None:
    """Read a journal of recovery points up to where it breaks off; None if it is none."""
    if not data.startswith(_POINTS_MAGIC):
        return None
    offsets: dict[str, int] = {}
    keys: dict[int, str] = {}
    position = len(_POINTS_MAGIC)
    while position + _CRC.size <= len(data):
        crc, length = _CRC.unpack_from(data, position)
        position += _CRC.size
        point = data[position : position + length]
        if length < _POINT.size or len(point) < length or crc32c(point) != crc:
            break
        position += length
        number, offset = _POINT.unpack_from(point)
        if length > _POINT.size:
            keys[number] = point[_POINT.size :].decode()
        if number not in keys:
            break
        offsets[keys[number]] = offset
    return offsets


class Stopped(NamedTuple):
    """A log as a clean stop left it: its last segment, and whether no producer had any state."""

    last: Summary
    remembers_nothing: bool


def clean_stop(stopped: Mapping[str, Stopped]) -> bytes:
    """The content of the mark of a clean stop, by the keys of the logs."""
    lines = (
        f"{key}\t{int(each.remembers_nothing)}\t{summary.encode(each.last).hex()}\n"
        for key, each in stopped.items()
    )
    return _signed(_CLEAN_MAGIC, "".join(lines))


def read_clean_stop(data: bytes) -> dict[str, Stopped] | None:
    """Read the mark of a clean stop; None if it says nothing: the broker ran, or it is damaged."""
    body = _unsigned(_CLEAN_MAGIC, data)
    if body is None:
        return None
    stopped: dict[str, Stopped] = {}
    for line in body.splitlines():
        key, remembers_nothing, encoded = line.split("\t")
        last = summary.decode(bytes.fromhex(encoded))
        if last is not None:
            stopped[key] = Stopped(last, remembers_nothing == "1")
    return stopped


def running_time(now_ms: int) -> bytes:
    """The content of the file that says what the running time is."""
    return _signed(_RUNNING_MAGIC, f"{now_ms}\n")


def read_running_time(data: bytes) -> int | None:
    """Read it, in ms; None if it is damaged."""
    body = _unsigned(_RUNNING_MAGIC, data)
    return None if body is None else int(body)


def _signed(magic: bytes, text: str) -> bytes:
    body = text.encode()
    return b"%s%08x\n%s" % (magic, crc32c(body), body)


def _unsigned(magic: bytes, data: bytes) -> str | None:
    """The text that _signed() got; None if the data is damaged or something else."""
    head, _, body = data.partition(b"\n")
    return body.decode() if head == b"%s%08x" % (magic, crc32c(body)) else None
