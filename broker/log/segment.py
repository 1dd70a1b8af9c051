"""One segment: a file of whole batches, back to back, with its two indexes and its sums.

Here: append, whole-batch reads, and the search by timestamp. Not here: which segment (log.py),
checking what is on disk (recovery.py). Rules:
- `size`, `next_offset` and the indexes say what the file holds; they change only after a write.
- An index entry is added for a batch that begins more than `index.interval.bytes` after the batch
  of the entry before (or after byte 0), so the first batch never has one (LogSegment.java).
- Records are decoded only in the two searches by timestamp, and only those of one batch.
- A segment known by its summary reads its index files when they are needed, and makes them anew
  from the batches' headers if their checksums do not hold.
Read next: index.py, summary.py, log.py.
Tests: tests/unit/broker/log/test_log.py
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from crc32c import crc32c

from ...protocol.batch.header import HEADER_BYTES, LENGTH_END, MAGIC, BatchHeader, read_header
from ...protocol.batch.writing import head_for
from ..storage.port import Buffer, File, Storage, StorageError
from .aborted_index import SUFFIX as ABORTED_SUFFIX
from .aborted_index import AbortedIndex
from .index import OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES, OffsetIndex, TimeIndex
from .summary import NO_INDEXES, SUFFIX, IndexSums, Summary, encode

NO_TIMESTAMP: Final = -1
RELATIVE_OFFSET_MAX: Final = 2**31 - 1  # both are int32 in the index files
POSITION_MAX: Final = 2**31 - 1
_WALK_BYTES: Final = 8192  # read at once while looking for a batch: two index intervals
_LOOKS_A_STEP = 500  # headers that are passed over without a break
_RESUMES_MAX: Final = 16  # readers that go through a segment side by side


class TimestampedOffset(NamedTuple):
    """A record found by its timestamp (ms since 1970), and the leader epoch of its batch."""

    timestamp: int
    offset: int
    leader_epoch: int


class Segment:
    """The batches from `base_offset` up to `next_offset` (exclusive), in `size` bytes."""

    __slots__ = (
        "_directory",
        "_file",
        "_index_interval_bytes",
        "_index_sums",
        "_indexed_position",
        "_known_since_ms",
        "_offset_index",
        "_resumes",
        "_saved_size",
        "_storage",
        "_time_index",
        "aborted",
        "base_offset",
        "first_timestamp",
        "index_bytes",
        "last_position",
        "max_timestamp",
        "max_timestamp_offset",
        "next_offset",
        "size",
    )

    def __init__(self, storage: Storage, directory: str, base_offset: int) -> None:
        self._storage = storage
        self._directory = directory
        self._file: File | None = None
        self._offset_index = OffsetIndex()
        self._time_index = TimeIndex()
        self._indexed_position = 0  # where the batch of the newest index entry begins
        self._known_since_ms: int | None = None
        self._saved_size = 0  # `size` when the index files were written
        self._index_sums = NO_INDEXES  # of the index files, as of then
        self._index_interval_bytes = 0  # for indexes to be read when needed; 0: they are there
        # Where the next batch begins for those who read on: without it each read near the end
        # would search up to an index interval again.
        self._resumes: dict[int, int] = {}
        self.aborted = AbortedIndex()
        self.base_offset = base_offset
        self.next_offset = base_offset
        self.size = 0
        self.last_position = 0  # where the last batch begins
        self.index_bytes = 0  # what the larger index file would need with one entry more
        self.first_timestamp = NO_TIMESTAMP
        self.max_timestamp = NO_TIMESTAMP
        self.max_timestamp_offset = base_offset  # last offset of the first batch that reached it

    @classmethod
    def create(cls, storage: Storage, directory: str, base_offset: int) -> Segment:
        """Make the file of a new segment. Raises StorageError."""
        segment = cls(storage, directory, base_offset)
        segment._file = storage.create_file(segment._path(".log"))
        return segment

    @classmethod
    def known(
        cls,
        storage: Storage,
        directory: str,
        base_offset: int,
        summary: Summary,
        index_interval_bytes: int,
    ) -> Segment:
        """A segment as its summary says; nothing is read."""
        segment = cls(storage, directory, base_offset)
        segment.next_offset = summary.next_offset
        segment.size = segment._saved_size = summary.size
        segment.last_position = summary.last_position
        segment.first_timestamp = summary.first_timestamp
        segment.max_timestamp = summary.max_timestamp
        segment.max_timestamp_offset = summary.max_timestamp_offset
        segment._index_sums = summary.indexes
        if summary.indexes != NO_INDEXES:
            segment._index_interval_bytes = index_interval_bytes
        return segment

    def summary(self, epochs: tuple[tuple[int, int], ...]) -> Summary:
        """What known() needs, once save_indexes() has been called; `epochs` began here."""
        return Summary(
            self.next_offset,
            self.size,
            self.last_position,
            self.first_timestamp,
            self.max_timestamp,
            self.max_timestamp_offset,
            self._index_sums,
            epochs,
            self.aborted.sum(),
        )

    @property
    def file(self) -> File:
        """The `.log` file, opened on first need."""
        if self._file is None:
            self._file = self._storage.open_file(self._path(".log"))
        return self._file

    @property
    def index_name(self) -> str:
        """The name of the offset index file, without its directory."""
        return f"{self.base_offset:020d}.index"

    @property
    def aborted_path(self) -> str:
        """Where the file of its aborted transactions is, or would be."""
        return self._path(ABORTED_SUFFIX)

    def _path(self, suffix: str) -> str:
        return f"{self._directory}/{self.base_offset:020d}{suffix}"

    def append(
        self, header: BatchHeader, batch: Buffer, leader_epoch: int, index_interval_bytes: int
    ) -> None:
        """Write a batch at `next_offset`. Raises StorageError; nothing has changed then."""
        if self._index_interval_bytes:
            self.load_indexes()
        base_offset = self.next_offset
        head = head_for(header, base_offset, leader_epoch)
        self.file.append((head, memoryview(batch)[len(head) :]))
        self.note(header, base_offset, index_interval_bytes)

    def note(self, header: BatchHeader, base_offset: int, index_interval_bytes: int) -> None:
        """Count a batch that stands in the file at `size`: written just now, or found there."""
        position = self.last_position = self.size
        last_offset = base_offset + header[6]  # last_offset_delta; by number: a scan notes millions
        timestamp = header[8]  # max_timestamp
        if timestamp > self.max_timestamp:
            self.max_timestamp = timestamp
            self.max_timestamp_offset = last_offset
        if not position:
            self.first_timestamp = timestamp
        elif position - self._indexed_position > index_interval_bytes:
            self._index(last_offset, position)
        self.next_offset = last_offset + 1
        self.size = position + LENGTH_END + header[1]  # batch_length

    def _index(self, last_offset: int, position: int) -> None:
        self._offset_index.add(last_offset - self.base_offset, position)
        self._index_timestamp()
        self._indexed_position = position
        self._count_index_bytes()

    def _count_index_bytes(self) -> None:
        # TimeIndex.isFull keeps room for the entry that save_indexes() adds.
        self.index_bytes = max(
            OFFSET_ENTRY_BYTES * (len(self._offset_index) + 1),
            TIME_ENTRY_BYTES * (len(self._time_index) + 2),
        )

    def _index_timestamp(self) -> None:
        self._time_index.add(self.max_timestamp, self.max_timestamp_offset - self.base_offset)

    def age_ms(self, timestamp: int, now_ms: int) -> int:
        """Return how far `timestamp`, of the next batch, lies behind that of the first batch.

        If the first batch has none: how long this broker has known the segment.
        """
        if self.first_timestamp != NO_TIMESTAMP:
            return timestamp - self.first_timestamp
        if self._known_since_ms is None:
            self._known_since_ms = now_ms
        return now_ms - self._known_since_ms

    def newest_at_ms(self, now_ms: int) -> int:
        """Return the largest timestamp; without any, since when this broker knows the segment."""
        if self.max_timestamp != NO_TIMESTAMP:
            return self.max_timestamp
        if self._known_since_ms is None:
            self._known_since_ms = now_ms
        return self._known_since_ms

    def read(self, offset: int, end_offset: int, max_bytes: int) -> bytes:
        """Return whole batches: see Log.read. `offset` lies in this segment."""
        if self._index_interval_bytes:
            self.load_indexes()
        position, _ = self._locate(offset)
        if end_offset >= self.next_offset:
            limit, limit_offset = self.size, self.next_offset
        else:
            limit, limit_offset = self._locate(end_offset)
        if limit - position > max_bytes:
            limit, limit_offset = self._last_boundary(position, position + max_bytes)
        if len(self._resumes) >= _RESUMES_MAX:
            self._resumes.clear()
        self._resumes[limit_offset] = limit
        return self._read(position, limit - position)

    def _locate(self, offset: int) -> tuple[int, int]:
        """Return position and base offset of the batch that contains `offset`."""
        position = self._resumes.get(offset)
        if position is not None:
            return position, offset
        relative_offset = offset - self.base_offset
        for at, header in self._headers_from(self._offset_index.floor(relative_offset)):
            if offset <= header[0] + header[6]:  # its last offset
                return at, header[0]
        raise StorageError(self.file.path, f"offset {offset} is not there")

    def bytes_from(self, offset: int) -> int:
        """How many bytes there are from the batch of `offset` on. Raises StorageError."""
        self.load_indexes()
        return self.size - self._locate(offset)[0]

    def upper_bound(self, offset: int, count_bytes: int) -> int | None:
        """What the index says of where so many bytes, from the batch of `offset` on, end at most.

        None: it has no entry from there on. Source: LogSegment.fetchUpperBoundOffset.
        """
        self.load_indexes()
        relative = self._offset_index.offset_behind(self._locate(offset)[0] + count_bytes)
        return None if relative is None else self.base_offset + relative

    def _last_boundary(self, position: int, limit: int) -> tuple[int, int]:
        """Return where batches from `position` on must end so as not to pass `limit`.

        Returns: that position and its offset; the end of the first batch if that passes `limit`.
        """
        # 1. `limit` falls into a batch. Cut there, the reader would get half of one, and `_resumes`
        #    would send whoever reads on to a byte at which none begins.
        # 2. Where batches begin the index knows for one in index.interval.bytes, so headers are
        #    walked; from its last entry below `limit`, as a fetch of 50 MB is not to read all.
        # 3. The batch that passes `limit` is left out, but never the first one: of a batch of 1 MB
        #    a reader who takes 64 KB would get nothing, and ask the same for ever (KIP-74).
        start = max(position, self._offset_index.boundary_before(limit))
        for at, header in self._headers_from(start):
            if (end := at + LENGTH_END + header[1]) > limit:
                return (at, header[0]) if at > position else (end, header.next_offset)
        raise AssertionError(f"no batch reaches byte {limit} of {self.size}")

    def _headers_from(self, position: int) -> Iterator[tuple[int, BatchHeader]]:
        """Yield position and header of the batch that begins at `position` and all after it."""
        start, chunk = position, b""
        while position < self.size:
            if position + HEADER_BYTES > start + len(chunk):
                start = position
                chunk = self._read(start, min(_WALK_BYTES, self.size - start))
            header = read_header(chunk, position - start)
            size = LENGTH_END + header[1]  # batch_length; by number: a fetch passes many
            if size < HEADER_BYTES:
                raise StorageError(self.file.path, f"no batch begins at byte {position}")
            yield position, header
            position += size

    def _read(self, position: int, count: int) -> bytes:
        data = self.file.read(position, count)
        if len(data) != count:
            end = position + len(data)
            raise StorageError(self.file.path, f"ends at byte {end}, not at {self.size}")
        return data

    def batches_reaching(self, timestamp: int, end_offset: int) -> Iterator[bytes | None]:
        """Batches below `end_offset` whose header says that they reach this timestamp, in order.

        None now and then, where others may go on before the next is found.
        """
        self.load_indexes()
        reached = self._time_index.first_reaching(timestamp)
        if reached is None:
            reached = self.next_offset - self.base_offset
        headers = self._headers_from(self._offset_index.below(reached))
        for number, (at, header) in enumerate(headers, 1):
            if header.base_offset >= end_offset:
                return
            if header.max_timestamp >= timestamp:
                yield self._read(at, header.size_bytes)
            elif not number % _LOOKS_A_STEP:
                yield None

    def newest_timestamp(self, end_offset: int) -> tuple[int, int]:
        """Return the largest batch timestamp below `end_offset`, and the batch's last offset."""
        if end_offset >= self.next_offset:
            return self.max_timestamp, self.max_timestamp_offset
        self.load_indexes()
        # A batch that reached a new maximum before the offset entry below `end_offset` has a time
        # entry below it too; the batches after that are looked at one by one.
        relative_end = end_offset - self.base_offset
        newest, relative_offset = self._time_index.newest_below(relative_end)
        newest_offset = self.base_offset + relative_offset
        for _, header in self._headers_from(self._offset_index.below(relative_end)):
            if header.next_offset > end_offset:
                break
            if header.max_timestamp > newest:
                newest, newest_offset = header.max_timestamp, header.last_offset
        return newest, newest_offset

    def batch_at(self, offset: int) -> bytes:
        """The batch that an offset is in. Raises StorageError."""
        self.load_indexes()
        position, _ = self._locate(offset)
        header = read_header(self._read(position, HEADER_BYTES))
        return self._read(position, header.size_bytes)

    def save_indexes(self) -> list[File]:
        """Write the index files, if batches came since they were last written.

        They are not flushed, and a failure is let pass: whoever needs them can make them anew.

        Returns: the files written.
        """
        files: list[File] = []
        with contextlib.suppress(StorageError):
            files += self.save_aborted()
        if self._saved_size == self.size:
            return files
        self._index_timestamp()
        offsets, times = self._offset_index.encoded(), self._time_index.encoded()
        self._index_sums = IndexSums(
            len(self._offset_index), crc32c(offsets), len(self._time_index), crc32c(times)
        )
        with contextlib.suppress(StorageError):
            for suffix, data in ((".index", offsets), (".timeindex", times)):
                file = self._storage.create_file(self._path(suffix))
                files.append(file)
                file.append([data])
                file.close()
            self._saved_size = self.size
        return files

    def save_aborted(self) -> list[File]:
        """Write the index of aborted transactions, if there are new ones. Raises StorageError."""
        return self.aborted.save(self._storage, self.aborted_path)

    def load_indexes(self) -> None:
        """Read the index files of a known() segment, unless that has been done.

        Raises: StorageError, if they do not hold and the batches cannot be read.
        """
        interval, self._index_interval_bytes = self._index_interval_bytes, 0
        if not interval:
            return
        try:
            loaded = self._read_indexes()
            if not loaded:
                self._make_indexes(interval)
        except BaseException:
            self._index_interval_bytes = interval
            raise

    def _read_indexes(self) -> bool:
        sums = self._index_sums
        try:
            offsets = self._storage.read_bytes(self._path(".index"))
            times = self._storage.read_bytes(self._path(".timeindex"))
        except StorageError:
            return False
        if IndexSums(sums.offset_count, crc32c(offsets), sums.time_count, crc32c(times)) != sums:
            return False
        self._offset_index = OffsetIndex.decoded(offsets)
        self._time_index = TimeIndex.decoded(times)
        self._indexed_position = self._offset_index.boundary_before(self.size)
        self._count_index_bytes()
        return True

    def _make_indexes(self, index_interval_bytes: int) -> None:
        anew = Segment(self._storage, self._directory, self.base_offset)
        for _, header in self._headers_from(0):
            anew.note(header, header.base_offset, index_interval_bytes)
        self._offset_index, self._time_index = anew._offset_index, anew._time_index
        self._indexed_position, self._saved_size = anew._indexed_position, 0
        self.index_bytes = anew.index_bytes

    def save_summary(self, epochs: tuple[tuple[int, int], ...]) -> File:
        """Write the summary file; save_indexes() must have been called. Raises StorageError."""
        file = self._storage.create_file(self._path(SUFFIX))
        file.append([encode(self.summary(epochs))])
        file.close()
        return file

    def headers(self) -> Iterator[tuple[int, BatchHeader]]:
        """Yield position and header of every batch; nothing is checked. Raises StorageError."""
        return self._headers_from(0)

    def batch_from(self, position: int, size_bytes: int) -> bytes:
        """The bytes of a batch, by its place. Raises StorageError."""
        return self._read(position, size_bytes)

    def last_header(self) -> BatchHeader:
        """The header of the last batch of a segment that has one. Raises StorageError."""
        return read_header(self._read(self.last_position, HEADER_BYTES))

    def header_at(self, position: int) -> BatchHeader | None:
        """The header that begins at a byte; None if there can be none. Raises StorageError."""
        if not 0 <= position <= self.file.size - HEADER_BYTES:
            return None
        header = read_header(self.file.read(position, HEADER_BYTES))
        return header if header.magic == MAGIC else None

    def cut_torn_end(self) -> None:
        """Make sure that the file ends with its last batch, before it is left for a new segment.

        After a failed write that could not be cut back there may be more, and what is a torn tail
        in the last segment is damage in an earlier one. Raises StorageError.
        """
        self.file.truncate(self.size)

    def excuse_empty_indexes(self) -> None:
        """Let a segment found at start go without index files while they would hold no entry.

        Else the first stop after a crash would write two files for each small partition.
        """
        if not len(self._offset_index):
            self._saved_size = self.size

    def cut(self, size: int) -> None:
        """Cut the file to `size` bytes; its index files, which may know more, go first."""
        self.remove_indexes()
        self.file.truncate(size)

    def remove_indexes(self) -> None:
        """Remove the index files."""
        for suffix in (".index", ".timeindex", ABORTED_SUFFIX, SUFFIX):
            self._storage.remove(self._path(suffix))

    def remove(self) -> None:
        """Remove all files of this segment, the batches last."""
        self.close()
        self.remove_indexes()
        self._storage.remove(self._path(".log"))

    def shrink(self, bytes_max: int) -> bool:
        """Cut at most `bytes_max` bytes off the end; with no more left, remove all files.

        Returns: whether they are gone. Raises StorageError.
        """
        if self.size <= bytes_max:
            self.remove()
            return True
        self.file.truncate(self.size - bytes_max)
        self.size -= bytes_max
        return False

    def close(self) -> None:
        """Give the descriptor back; the next use opens the file again."""
        if self._file is not None:
            self._file.close()
            self._file = None
