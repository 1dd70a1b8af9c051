"""What a log is after a restart: every byte read, a torn tail cut, anything else refused.

A batch holds if it is whole, its magic is 2 and its CRC right, its base offset follows on and its
leader epoch does not go back (the CRC covers neither). Where a batch does not hold:
- *torn tail*: the bytes there are no whole batch with a right CRC, none with a higher base offset
  begins behind them in the file, and all later segments are empty. So a crash leaves it: cut, told.
- *damage*: anything else. Batches that were acknowledged may be lost: DamagedLog, nothing changed.
- An empty last segment whose name does not follow on is removed and told too: a crash can keep the
  name of a new segment and lose the end of the one before.
scan() reads on from where a segment is known to hold; recover() begins with nothing known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ...protocol.batch import (
    HEADER_BYTES,
    MAGIC,
    BatchHeader,
    crc_is_valid,
    read_header,
)
from .epochs import LeaderEpochs
from .segment import RELATIVE_OFFSET_MAX, Segment
from .storage import DamagedLog, File, Storage, StorageError

_CHUNK_BYTES: Final = 4 * 1024 * 1024
_MAGIC_AT: Final = 16
_LOG_NAME: Final = re.compile(r"\d{20}\.log")


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What recovery cut: `bytes_cut` bytes from `position` on; the log now ends at `offset`."""

    path: str
    offset: int
    position: int
    bytes_cut: int
    why: str

    def __str__(self) -> str:
        return (
            f"{self.path}: cut {self.bytes_cut} bytes from byte {self.position} on, "
            f"the log now ends at offset {self.offset}: {self.why}"
        )


@dataclass(frozen=True, slots=True)
class Recovered:
    """The segments of a log, oldest first, and what was folded from their batches."""

    segments: list[Segment]
    epochs: LeaderEpochs
    report: RecoveryReport | None


def recover(
    storage: Storage,
    directory: str,
    index_interval_bytes: int,
    on_batch: Callable[[BatchHeader], None],
) -> Recovered:
    """Read all segments of a log from the first byte on, and cut a torn tail.

    Args:
        on_batch: called for each batch that holds, in order.
    Raises:
        DamagedLog: something is wrong before the tail; nothing was changed.
        StorageError: the disk could not be read or cut.
    """
    names = storage.list_dir(directory)
    bases = [int(name[:-4]) for name in names if _LOG_NAME.fullmatch(name)]
    segments = [Segment(storage, directory, base) for base in sorted(bases)]
    epochs = LeaderEpochs()
    for at, segment in enumerate(segments):
        if at and segment.base_offset != segments[at - 1].next_offset:
            report = _drop_misnamed(segments, at)
            return Recovered(segments[:at], epochs, report)
        why = scan(segment, epochs, index_interval_bytes, on_batch)
        if why:
            report = _cut_tail(segments, at, why)
            return Recovered(segments[: at + 1], epochs, report)
        segment.excuse_empty_indexes()
        segment.close()
        if at + 1 < len(segments) and segment.index_name not in names:
            segment.save_indexes()
    return Recovered(segments, epochs, None)


def scan(
    segment: Segment,
    epochs: LeaderEpochs,
    index_interval_bytes: int,
    on_batch: Callable[[BatchHeader], None],
) -> str:
    """Read a segment's file on from `segment.size`, and take in each batch that holds.

    The segment and the epochs grow as if the batches were just appended.

    Returns: why the first batch that does not hold does not; "" if all do.
    Raises: StorageError.
    """
    file = segment.file
    size, want = file.size, _CHUNK_BYTES
    next_offset, leader_epoch = segment.next_offset, epochs.latest
    while (position := segment.size) < size:
        left = size - position
        chunk = memoryview(_read(file, position, min(want, left)))
        at, want = 0, _CHUNK_BYTES
        last = len(chunk) - HEADER_BYTES
        while at <= last:
            header = read_header(chunk, at)
            end = at + header.size_bytes
            if (
                header.base_offset != next_offset
                or header.magic != MAGIC
                or header.partition_leader_epoch < leader_epoch
                or header.last_offset_delta < 0
                or end > left
            ):
                return _fault(header, next_offset, leader_epoch, left - at)
            if end > len(chunk):
                want = max(want, end - at)
                break
            if not crc_is_valid(chunk, header, at):
                return _fault(header, next_offset, leader_epoch, left - at)
            if header.partition_leader_epoch != leader_epoch:
                leader_epoch = header.partition_leader_epoch
                epochs.begin(leader_epoch, next_offset)
            segment.note(header, next_offset, index_interval_bytes)
            on_batch(header)
            next_offset = segment.next_offset
            at = end
        if last < 0:
            return f"only {len(chunk)} bytes of a header of {HEADER_BYTES}"
    return ""


def _read(file: File, position: int, count: int) -> bytes:
    data = file.read(position, count)
    if len(data) != count:
        raise StorageError(file.path, f"could only be read up to byte {position + len(data)}")
    return data


def _fault(header: BatchHeader, next_offset: int, leader_epoch: int, left: int) -> str:
    """Say what is wrong with a header that scan() has refused."""
    if header.magic != MAGIC:
        return f"its magic byte is {header.magic}, not {MAGIC}"
    if header.base_offset != next_offset:
        return f"its base offset is {header.base_offset}, but {next_offset} must follow"
    if header.size_bytes > left:
        return f"its length is {header.size_bytes}, but the file has {left} bytes more"
    if header.partition_leader_epoch < leader_epoch:
        return f"its leader epoch is {header.partition_leader_epoch}, after {leader_epoch}"
    if header.size_bytes < HEADER_BYTES or header.last_offset_delta < 0:
        return f"its batch_length is {header.batch_length}, last delta {header.last_offset_delta}"
    return "its CRC is wrong"


def _cut_tail(segments: list[Segment], at: int, why: str) -> RecoveryReport:
    """Cut segment `at` where its valid batches end, unless acknowledged ones may lie behind."""
    segment, later = segments[at], segments[at + 1 :]
    file, position = segment.file, segment.size
    why = f"the batch there does not hold ({why})"
    if any(one.file.size for one in later):
        raise DamagedLog(file.path, position, f"{why}, and later segments hold more")
    if _whole_batch_at(file, position, range(2**63)):
        raise DamagedLog(file.path, position, f"{why}, though its CRC is right")
    higher = range(segment.next_offset + 1, segment.base_offset + RELATIVE_OFFSET_MAX)
    found = next_valid_batch(file, position, higher)
    if found is not None:
        raise DamagedLog(file.path, position, f"{why}, but a whole one begins at byte {found}")
    for one in later:
        one.remove()
    report = RecoveryReport(
        path=file.path,
        offset=segment.next_offset,
        position=position,
        bytes_cut=file.size - position,
        why=why,
    )
    segment.cut(position)
    segment.close()
    return report


def _drop_misnamed(segments: list[Segment], at: int) -> RecoveryReport:
    """Remove segment `at` and all later ones, which do not follow on, if they hold nothing."""
    before, path = segments[at - 1], segments[at].file.path
    why = f"its name says {segments[at].base_offset}, but {before.next_offset} must follow"
    if any(one.file.size for one in segments[at:]):
        raise DamagedLog(path, 0, why)
    for one in segments[at:]:
        one.remove()
    return RecoveryReport(path, before.next_offset, 0, 0, f"{why}; the file was empty")


def next_valid_batch(file: File, position: int, offsets: range) -> int | None:
    """Return where the first whole batch begins, at `position` or behind it.

    Every byte is tried, since after damage nothing tells where batches begin. A record's value that
    is itself a stored batch with such an offset would be taken for one: then we refuse to cut.

    Args:
        offsets: the base offsets it may have.
    """
    size = file.size
    while position + HEADER_BYTES <= size:
        chunk = _read(file, position, min(_CHUNK_BYTES, size - position))
        starts = len(chunk) - HEADER_BYTES + 1
        at = chunk.find(MAGIC, _MAGIC_AT, _MAGIC_AT + starts)
        while at >= 0:
            if read_header(chunk, at - _MAGIC_AT).base_offset in offsets:
                begin = position + at - _MAGIC_AT
                if _whole_batch_at(file, begin, offsets):
                    return begin
            at = chunk.find(MAGIC, at + 1, _MAGIC_AT + starts)
        position += starts
    return None


def _whole_batch_at(file: File, position: int, offsets: range) -> bool:
    """Tell whether a batch with one of these base offsets begins here: length, magic and CRC."""
    left = file.size - position
    if left < HEADER_BYTES:
        return False
    header = read_header(_read(file, position, HEADER_BYTES))
    return (
        header.magic == MAGIC
        and header.base_offset in offsets
        and HEADER_BYTES <= header.size_bytes <= left
        and crc_is_valid(_read(file, position, header.size_bytes), header)
    )
