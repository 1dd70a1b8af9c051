"""Kafka's `.txnindex`: the aborted transactions of a segment, so that readers can leave them out.

An entry is added when an abort marker is appended for a transaction that has data here, so entries
stand in the order of the markers: `last_offset` rises, `first_offset` need not. The file belongs to
the segment that holds the markers. It can be made again from the batches, as long as the first
offset of every transaction that ends in the segment is known where it begins (aborted_files.py).
In memory it is as it is in the file.
Source: TransactionIndex.java, AbortedTxn.java; KIP-98.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

from crc32c import crc32c

from ..storage.port import File, Storage

_ENTRY: Final = struct.Struct(">hqqqq")
_LAST_OFFSET: Final = struct.Struct(">18x q")
ENTRY_BYTES: Final = _ENTRY.size
SUFFIX: Final = ".txnindex"
_VERSION: Final = 0


class AbortedTransaction(NamedTuple):
    """An entry.

    Attributes:
        first_offset: of the transaction's first batch in the partition.
        last_offset: of its abort marker.
        last_stable_offset: of the partition, right after the marker.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class AbortedSum(NamedTuple):
    """What a summary says of an index: how many entries it has, and the CRC-32C of its file."""

    entry_count: int = 0
    crc: int = 0


NONE_ABORTED: Final = AbortedSum()


class DamagedAbortedIndex(ValueError):
    """The bytes are none of an index; the text says why. It must be made from the log again."""


class AbortedIndex:
    """The entries of one segment, in the order of their markers."""

    __slots__ = ("_packed", "_saved_count")

    def __init__(self) -> None:
        self._packed = bytearray()
        self._saved_count = 0  # of entries, in the file

    def __len__(self) -> int:
        return len(self._packed) // ENTRY_BYTES

    def __iter__(self) -> Iterator[AbortedTransaction]:
        for at in range(0, len(self._packed), ENTRY_BYTES):
            _, *fields = _ENTRY.unpack_from(self._packed, at)
            yield AbortedTransaction(*fields)

    def add(self, entry: AbortedTransaction) -> None:
        """Note an aborted transaction. Its marker is newer than all that are noted."""
        assert not self._packed or entry.last_offset > self._last_offset(len(self) - 1)
        self._packed += _ENTRY.pack(_VERSION, *entry)

    def truncate(self, end_offset: int) -> None:
        """Forget the markers at `end_offset` and behind it; the file is to be written anew."""
        del self._packed[self._first_reaching(end_offset) * ENTRY_BYTES :]
        self._saved_count = 0

    def aborted(self, fetch_offset: int, end_offset: int) -> tuple[list[AbortedTransaction], bool]:
        """What a reader of the offsets from `fetch_offset` up to `end_offset` must leave out.

        Returns:
            The entries, and whether they are all there are: if not, later segments may have more.
        """
        found: list[AbortedTransaction] = []
        if not self._packed:
            return found, False
        begin = self._first_reaching(fetch_offset) * ENTRY_BYTES
        for _, *entry in _ENTRY.iter_unpack(memoryview(self._packed)[begin:]):
            _, first_offset, _, last_stable_offset = entry
            if first_offset < end_offset:
                found.append(AbortedTransaction(*entry))
            if last_stable_offset >= end_offset:
                # Whatever ends later has begun at or after the last stable offset of this moment.
                return found, True
        return found, False

    def sum(self) -> AbortedSum:
        """What tells whether a file holds this."""
        return AbortedSum(len(self), crc32c(self._packed)) if self._packed else NONE_ABORTED

    def save(self, storage: Storage, path: str) -> list[File]:
        """Write the file, if entries came since it was last written; it is not flushed.

        Returns: the file, if it was written. Raises StorageError.
        """
        if self._saved_count == len(self):
            return []
        file = storage.create_file(path)
        file.append([self.encoded()])
        file.close()
        self._saved_count = len(self)
        return [file]

    def encoded(self) -> bytes:
        """The content of Kafka's `.txnindex` file."""
        return bytes(self._packed)

    @classmethod
    def decoded(cls, data: bytes, base_offset: int) -> AbortedIndex:
        """Read what encoded() gave, or Kafka wrote.

        Args:
            base_offset: of the segment; no marker lies before it.
        Raises:
            DamagedAbortedIndex: cut off, of another version, or out of order.
        """
        if len(data) % ENTRY_BYTES:
            raise DamagedAbortedIndex(f"{len(data)} bytes are no multiple of {ENTRY_BYTES}")
        index, newest = cls(), base_offset - 1
        for number, (version, *fields) in enumerate(_ENTRY.iter_unpack(data)):
            entry = AbortedTransaction(*fields)
            if version != _VERSION:
                raise DamagedAbortedIndex(f"entry {number} is of version {version}")
            if not newest < entry.last_offset or entry.first_offset > entry.last_offset:
                raise DamagedAbortedIndex(f"entry {number} is out of order: {entry}")
            newest = entry.last_offset
            index.add(entry)
        index._saved_count = len(index)
        return index

    def _last_offset(self, number: int) -> int:
        last_offset: int = _LAST_OFFSET.unpack_from(self._packed, number * ENTRY_BYTES)[0]
        return last_offset

    def _first_reaching(self, offset: int) -> int:
        """The number of the first entry whose marker is at or behind an offset."""
        return bisect_left(range(len(self)), offset, key=self._last_offset)
