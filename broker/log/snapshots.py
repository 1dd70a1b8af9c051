"""Producer-state snapshots: `<20 digits offset>.producers`, the table as of that log end.

A snapshot is bound to the batch in front of its offset, by place, CRC and leader epoch: the epoch
rises with every start, so a log that was cut and written on differently never fits. What does not
fit, lies beyond the log end or is damaged is removed, and an older one or the log itself is used.
So it need not be flushed before it is believed; whoever drops segments must know it durable.
Content: magic, version, CRC-32C of the version (since 2) and the rest; offset; the batch before;
since 3, how many transactions were aborted in its segment, and the CRC of that part of its index;
the table as it packs itself. Older versions are read; a newer one refuses the start, for without it
producers would be forgotten. Two are kept.
Source of the idea: ProducerStateManager.java, which keeps one batch a PID.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from crc32c import crc32c

from ..storage.port import File, NewerFormat, Storage, StorageError
from .aborted_index import NONE_ABORTED, AbortedSum
from .segment import Segment
from .summary import Summary

SUFFIX: Final = ".producers"
KEPT: Final = 2
NAME: Final = re.compile(r"(\d{20})\.producers")
_MAGIC: Final = b"MBPS"
_VERSION: Final = 3
_KNOWS_ABORTED: Final = 3
_HEAD: Final = struct.Struct(">4sHI")
_BODY: Final = struct.Struct(">qqqIi")
_ABORTED: Final = struct.Struct(">qI")


class Producers(Protocol):
    """A table folded from batches that can be put away whole."""

    def __len__(self) -> int:
        """How many producers have any state."""

    def packed(self) -> bytes:
        """Return all of it."""

    def unpack(self, data: bytes, version: int) -> None:
        """Become what packed() gave in this or an older version. Raises ValueError if it cannot."""

    def clear(self) -> None:
        """Forget everything."""


class Bound(NamedTuple):
    """The batch in front of a snapshot's offset."""

    segment_base_offset: int
    position: int
    crc: int
    leader_epoch: int


class Snapshot(NamedTuple):
    """A decoded snapshot; `version` is that of its table, `aborted` of the segment of `bound`."""

    offset: int
    bound: Bound
    table: bytes
    version: int = _VERSION
    aborted: AbortedSum = NONE_ABORTED


def file_name(offset: int) -> str:
    """The name of the snapshot of a log end."""
    return f"{offset:020d}{SUFFIX}"


def encode(snapshot: Snapshot) -> bytes:
    """Return the content of a snapshot file."""
    body = _BODY.pack(snapshot.offset, *snapshot.bound)
    if snapshot.version >= _KNOWS_ABORTED:
        body += _ABORTED.pack(*snapshot.aborted)
    body += snapshot.table
    return _HEAD.pack(_MAGIC, snapshot.version, _crc(snapshot.version, body)) + body


def _crc(version: int, body: bytes) -> int:
    # It covers the version: one flipped bit there must not look like a newer format.
    return crc32c(body) if version == 1 else crc32c(version.to_bytes(2) + body)


def decode(data: bytes, path: str = "") -> Snapshot | None:
    """Read a snapshot file; None if it is damaged.

    Raises:
        NewerFormat: a newer version has written it, to `path`.
    """
    body = data[_HEAD.size :]
    if len(body) < _BODY.size:
        return None
    magic, version, crc = _HEAD.unpack_from(data)
    if magic != _MAGIC or crc != _crc(version, body):
        return None
    if version > _VERSION:
        raise NewerFormat(path, version, _VERSION)
    offset, *bound = _BODY.unpack_from(body)
    rest, aborted = body[_BODY.size :], NONE_ABORTED
    if version >= _KNOWS_ABORTED:
        if len(rest) < _ABORTED.size:
            return None
        aborted = AbortedSum(*_ABORTED.unpack_from(rest))
        rest = rest[_ABORTED.size :]
    return Snapshot(offset, Bound(*bound), rest, version, aborted)


class Snapshots:
    """The snapshot files of one log: `offsets` of those there are, rising."""

    __slots__ = ("_directory", "_relied_on", "_storage", "_unflushed", "offsets")

    def __init__(self, storage: Storage, directory: str, names: Sequence[str]) -> None:
        self._storage = storage
        self._directory = directory
        self._unflushed: dict[int, File] = {}
        self._relied_on = 0  # instead of segments that have gone, until a newer one is
        self.offsets = [int(name[:20]) for name in names if NAME.fullmatch(name)]  # sorted names

    def take(self, producers: Producers, last: Segment) -> File | None:
        """Write a snapshot of the log end, which is the end of `last`; the oldest ones go.

        Returns: the file, to be flushed like any other; None if it is there.
        Raises: StorageError.
        """
        offset = last.next_offset
        if offset in self.offsets:
            return None
        header = last.last_header()
        bound = Bound(
            last.base_offset, last.last_position, header.crc, header.partition_leader_epoch
        )
        file = self._storage.create_file(self._path(offset))
        try:
            table, aborted = producers.packed(), last.aborted.sum()
            file.append([encode(Snapshot(offset, bound, table, aborted=aborted))])
        except StorageError:
            self._storage.remove(self._path(offset))
            raise
        finally:
            file.close()
        self.offsets.append(offset)
        for old in [each for each in self.offsets[:-KEPT] if each != self._relied_on]:
            self.drop(old)
        self._unflushed[offset] = file
        return file

    def make_durable(self, end_offset: int) -> int:
        """Flush the newest snapshot at or below `end_offset`, and return its offset; 0 if none.

        It stays until this returns a newer one.

        Raises: StorageError; that snapshot is gone then.
        """
        offset = max((each for each in self.offsets if each <= end_offset), default=0)
        file = self._unflushed.pop(offset, None)
        if file is not None:
            try:
                file.flush()
            except StorageError:
                self.drop(offset)
                raise
        self._relied_on = offset
        return offset

    def drop(self, offset: int) -> None:
        """Remove one snapshot."""
        self._storage.remove(self._path(offset))
        self.offsets.remove(offset)
        self._unflushed.pop(offset, None)

    def find(
        self, segments: Sequence[Segment], end_offset: int
    ) -> tuple[Snapshot | None, list[str]]:
        """Return the newest snapshot at or below `end_offset` that fits the log, if there is one.

        Newer ones, those that do not fit and damaged ones are removed.

        Returns: it, and for each removed one its path and why.
        Raises: NewerFormat, StorageError.
        """
        why_removed: list[str] = []
        for offset in reversed(self.offsets[:]):
            path = self._path(offset)
            why = f"the log ends at offset {end_offset}" if offset > end_offset else ""
            if not why:
                snapshot = decode(self._storage.read_bytes(path), self._storage.full_path(path))
                why = _misfit(snapshot, offset, segments)
                if not why:
                    self._relied_on = offset
                    return snapshot, why_removed
            why_removed.append(f"{path}: {why}; removed")
            self.drop(offset)
        return None, why_removed

    def of_clean_stop(self, last: Summary) -> Snapshot | None:
        """Return the snapshot of a log end that is known; None if it is not there or damaged."""
        offset = last.next_offset
        if offset not in self.offsets:
            return None
        path = self._path(offset)
        snapshot = decode(self._storage.read_bytes(path), self._storage.full_path(path))
        fits = snapshot is not None and snapshot.bound.position == last.last_position
        return snapshot if fits else None

    def _path(self, offset: int) -> str:
        return f"{self._directory}/{file_name(offset)}"


def _misfit(snapshot: Snapshot | None, offset: int, segments: Sequence[Segment]) -> str:
    """Why a snapshot cannot be of this log; "" if it can."""
    if snapshot is None or snapshot.offset != offset:
        return "damaged"
    bound = snapshot.bound
    if not segments or offset <= segments[0].base_offset:
        return ""  # the batch before has been removed with its segment
    for segment in segments:
        if segment.base_offset == bound.segment_base_offset:
            header = segment.header_at(bound.position)
            if (
                header is not None
                and header.next_offset == offset
                and header.crc == bound.crc
                and header.partition_leader_epoch == bound.leader_epoch
            ):
                return ""
    return f"another batch lies before offset {offset} now"
