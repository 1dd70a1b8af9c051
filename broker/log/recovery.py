"""What a log is after a restart: what is known of it, and the rest read; a torn tail is cut.

A segment is taken as its summary says if the stop was clean or the segment lies below the recovery
point, and its file has the right size; else every byte is read. A batch holds if it is whole, its
magic is 2 and its CRC right, its base offset follows on and its leader epoch does not go back.
Where a batch does not hold (docs/decisions/0007):
- below the recovery point, the offset up to which all was flushed: DamagedLog, nothing changed;
- at or above it: nobody was promised anything from there on, so the rest is cut, and told;
- recovery point unknown: a *torn tail* is cut (no whole batch there, none with a higher base offset
  behind it, later segments empty), anything else is DamagedLog.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crc32c import crc32c

from ...protocol.batch.header import (
    ATTRIBUTES_AT,
    CONTROL_BIT,
    HEADER_BYTES,
    LENGTH_END,
    LENGTH_MIN,
    MAGIC,
    MAGIC_AT,
    BatchError,
    BatchHeader,
    Buffer,
    crc_is_valid,
    read_header,
)
from ..storage.port import DamagedLog, File, ShortLog, Storage, StorageError
from .aborted_files import load
from .aborted_index import AbortedSum, AbortedTransaction
from .epochs import LeaderEpochs
from .folding import Fold, fold_headers
from .segment import RELATIVE_OFFSET_MAX, Segment
from .snapshots import Snapshot
from .summary import SUFFIX, Summary, decode

_CHUNK_BYTES: Final = 4 * 1024 * 1024
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
class Known:
    """What is known of a log before it is read.

    Args:
        flushed_offset: the recovery point: all before it had been flushed; None if unknown.
        last: after a clean stop, the summary of the last segment.
        remembers_nothing: after a clean stop, that no producer had any state.
        reads_all: whether everything is to be read, whatever summaries say.
        log_start_offset: what deleted records have moved the start to; 0 if nothing has.
        is_new: nothing of it can be there; what stands in its directory is not looked at, and
            refused when the first batch comes.
        removed_offset: segments that end here or before were being removed; 0 if none was.
    """

    flushed_offset: int | None = None
    last: Summary | None = None
    remembers_nothing: bool = False
    reads_all: bool = False
    is_new: bool = False
    log_start_offset: int = 0
    removed_offset: int = 0


NOTHING_KNOWN: Final = Known()


@dataclass(frozen=True, slots=True)
class Recovered:
    """The segments of a log, oldest first, and what was folded from their batches.

    Args:
        lacking: those whose index of aborted transactions is to be made from the batches.
    """

    segments: list[Segment]
    epochs: LeaderEpochs
    report: RecoveryReport | None
    lacking: list[Segment]


def segment_offsets(names: Sequence[str]) -> list[int]:
    """The base offsets of the segments among the sorted names in a directory, rising."""
    return [int(name[:-4]) for name in names if _LOG_NAME.fullmatch(name)]


def recover(
    storage: Storage,
    directory: str,
    names: Sequence[str],
    index_interval_bytes: int,
    fold: Fold,
    *,
    known: Known = NOTHING_KNOWN,
    fold_from: int = 0,
    snapshot: Snapshot | None = None,
) -> Recovered:
    """Make out the segments of a log, reading those that must be read, and cut a torn tail.

    Args:
        names: of the files in the directory.
        fold: hears of each batch that begins at `fold_from` or above.
        snapshot: that of `fold_from`, if there is one.
    Raises:
        DamagedLog: something is wrong before the tail; nothing was changed.
        StorageError: the disk could not be read or cut.
    """
    flushed_offset = known.flushed_offset
    if flushed_offset is not None and flushed_offset <= known.log_start_offset:
        flushed_offset = 0  # what had been flushed has been deleted: none of it can be missed
    bases = segment_offsets(names)
    segments = [Segment(storage, directory, base) for base in bases]
    epochs, lacking = LeaderEpochs(), list[Segment]()
    above = _Above(fold_from, fold)
    scanned = Fold(above.on_batch, above.on_control) if fold_from else fold
    for at, segment in enumerate(segments):
        if at and segment.base_offset != segments[at - 1].next_offset:
            report = _drop_misnamed(segments, at, flushed_offset)
            return Recovered(segments[:at], epochs, report, lacking)
        next_base = bases[at + 1] if at + 1 < len(bases) else None
        summary = _believed(storage, directory, segment, next_base, known)
        if summary is not None:
            trusted = Segment.known(
                storage, directory, segment.base_offset, summary, index_interval_bytes
            )
            segments[at] = trusted
            epochs.extend(summary.epochs)
            if not load(storage, trusted, summary.aborted):
                lacking.append(trusted)
            if summary.next_offset > fold_from:
                fold_headers(trusted, fold_from, fold)
            continue
        below = _noted_below(snapshot, segment)
        is_told = below is not None and load(storage, segment, below)
        why = scan(segment, epochs, index_interval_bytes, scanned)
        if above.has_passed_over() and not is_told:
            lacking.append(segment)
        if why:
            report = _cut_tail(segments, at, why, flushed_offset)
            return Recovered(segments[: at + 1], epochs, report, lacking)
        segment.excuse_empty_indexes()
        if next_base is not None and segment.index_name not in names:
            segment.save_indexes()
        segment.close()
    _check_end(segments, storage.full_path(directory), flushed_offset)
    return Recovered(segments, epochs, None, lacking)


def _noted_below(snapshot: Snapshot | None, segment: Segment) -> AbortedSum | None:
    """What a snapshot says was aborted in front of it in a segment, if that is its segment."""
    if snapshot is None or snapshot.bound.segment_base_offset != segment.base_offset:
        return None
    return snapshot.aborted


class _Above:
    """A fold that hears only of what begins at an offset or above."""

    def __init__(self, offset: int, fold: Fold) -> None:
        self._offset = offset
        self._fold = fold
        self._passed_over = False

    def on_batch(self, header: BatchHeader) -> None:
        if header.base_offset >= self._offset:
            self._fold.on_batch(header)

    def on_control(self, header: BatchHeader, batch: Buffer) -> AbortedTransaction | None:
        if header.base_offset >= self._offset:
            return self._fold.on_control(header, batch)
        self._passed_over = True
        return None

    def has_passed_over(self) -> bool:
        """Whether there were control batches below, since this was asked last."""
        passed_over, self._passed_over = self._passed_over, False
        return passed_over


def _believed(
    storage: Storage, directory: str, segment: Segment, next_base: int | None, known: Known
) -> Summary | None:
    """The summary that makes reading a segment needless; None if there is none."""
    if known.reads_all:
        return None
    if next_base is None:
        summary = known.last
    elif known.last is not None or next_base <= (known.flushed_offset or 0):
        path = f"{directory}/{segment.base_offset:020d}{SUFFIX}"
        summary = decode(storage.read_bytes(path)) if storage.exists(path) else None
    else:
        return None
    if summary is None or summary.size != segment.file.size:
        return None
    return summary if next_base in (None, summary.next_offset) else None


def _check_end(segments: list[Segment], directory: str, flushed_offset: int | None) -> None:
    """Raise DamagedLog if a log ends, with a whole batch, before what had been flushed.

    Args:
        directory: as people know it.
    """
    flushed_offset = flushed_offset or 0
    if not segments:
        if flushed_offset:
            why = f"it is gone or empty, but all before offset {flushed_offset} had been flushed"
            raise DamagedLog(directory, 0, why)
        return
    last = segments[-1]
    if last.next_offset < flushed_offset:
        why = f"it ends at offset {last.next_offset}, but all before {flushed_offset} had been"
        raise ShortLog(last.file.path, last.size, f"{why} flushed")


def scan(
    segment: Segment,
    epochs: LeaderEpochs,
    index_interval_bytes: int,
    fold: Fold,
) -> str:
    """Read a segment's file on from `segment.size`, and take in each batch that holds.

    The segment and the epochs grow as if the batches were just appended.

    Returns: why the first batch that does not hold does not; "" if all do.
    Raises: StorageError.
    """
    file = segment.file
    size, want = file.size, _CHUNK_BYTES
    next_offset, leader_epoch = segment.next_offset, epochs.latest
    note, on_batch = segment.note, fold.on_batch
    while (position := segment.size) < size:
        left = size - position
        chunk = memoryview(_read(file, position, min(want, left)))
        at, want = 0, _CHUNK_BYTES
        last = len(chunk) - HEADER_BYTES
        while at <= last:
            header = read_header(chunk, at)
            base_offset, length, epoch, magic, crc, attributes, delta, *_ = header
            end = at + LENGTH_END + length
            if (
                base_offset != next_offset
                or magic != MAGIC
                or epoch < leader_epoch
                or delta < 0
                or end > left
                or length < LENGTH_MIN
            ):
                return _fault(header, next_offset, leader_epoch, left - at)
            if end > len(chunk):
                want = max(want, end - at)
                break
            if crc32c(chunk[at + ATTRIBUTES_AT : end]) != crc:
                return _fault(header, next_offset, leader_epoch, left - at)
            if epoch != leader_epoch:
                leader_epoch = epoch
                epochs.begin(leader_epoch, next_offset)
            if attributes & CONTROL_BIT:
                why = _take_control(segment, fold, header, chunk[at:end])
                if why:
                    return why
            else:
                on_batch(header)
            note(header, next_offset, index_interval_bytes)
            next_offset += delta + 1
            at = end
        if last < 0:
            return f"only {len(chunk)} bytes of a header of {HEADER_BYTES}"
    return ""


def _take_control(segment: Segment, fold: Fold, header: BatchHeader, batch: Buffer) -> str:
    """Hand over a control batch; why it does not hold, "" if it does."""
    try:
        aborted = fold.on_control(header, batch)
    except BatchError as error:
        return f"it is a control batch that cannot be read: {error}"
    if aborted is not None:
        segment.aborted.add(aborted)
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


def _cut_tail(
    segments: list[Segment], at: int, why: str, flushed_offset: int | None
) -> RecoveryReport:
    """Cut segment `at` where its valid batches end, unless acknowledged ones may lie behind."""
    segment, later = segments[at], segments[at + 1 :]
    file, position = segment.file, segment.size
    why = f"the batch there does not hold ({why})"
    if flushed_offset is None:
        _check_torn(segment, later, why)
    elif segment.next_offset < flushed_offset:
        why = f"{why}, and all before offset {flushed_offset} had been flushed"
        raise DamagedLog(file.path, position, why)
    bytes_later = sum(one.file.size for one in later)
    if bytes_later:
        why = f"{why}; with it go {len(later)} later segments of {bytes_later} bytes"
    for one in reversed(later):
        one.remove()
    report = RecoveryReport(
        path=file.path,
        offset=segment.next_offset,
        position=position,
        bytes_cut=file.size - position,
        why=why,
    )
    segment.cut(position)
    segment.aborted.truncate(segment.next_offset)
    segment.close()
    return report


def _check_torn(segment: Segment, later: list[Segment], why: str) -> None:
    """Raise DamagedLog unless what lies behind `segment.size` looks like a torn tail."""
    file, position = segment.file, segment.size
    if any(one.file.size for one in later):
        raise DamagedLog(file.path, position, f"{why}, and later segments hold more")
    if _whole_batch_at(file, position, range(2**63)):
        raise DamagedLog(file.path, position, f"{why}, though its CRC is right")
    higher = range(segment.next_offset + 1, segment.base_offset + RELATIVE_OFFSET_MAX)
    found = next_valid_batch(file, position, higher)
    if found is not None:
        raise DamagedLog(file.path, position, f"{why}, but a whole one begins at byte {found}")


def _drop_misnamed(segments: list[Segment], at: int, flushed_offset: int | None) -> RecoveryReport:
    """Remove segment `at` and all later ones, which do not follow on, if nothing in them counts."""
    before, path = segments[at - 1], segments[at].file.path
    why = f"its name says {segments[at].base_offset}, but {before.next_offset} must follow"
    byte_count = sum(one.file.size for one in segments[at:])
    gap = f"offset {before.next_offset} must follow, but the next segment begins at "
    gap += str(segments[at].base_offset)
    if before.next_offset < (flushed_offset or 0):
        gap += f", and all before offset {flushed_offset} had been flushed"
        raise DamagedLog(before.file.path, before.file.size, gap)
    if byte_count and flushed_offset is None:
        raise DamagedLog(before.file.path, before.file.size, gap)
    for one in reversed(segments[at:]):
        one.remove()
    what = (
        f"it was removed with all later ones, {byte_count} bytes" if byte_count else "it was empty"
    )
    return RecoveryReport(path, before.next_offset, 0, byte_count, f"{why}; {what}")


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
        at = chunk.find(MAGIC, MAGIC_AT, MAGIC_AT + starts)
        while at >= 0:
            if read_header(chunk, at - MAGIC_AT).base_offset in offsets:
                begin = position + at - MAGIC_AT
                if _whole_batch_at(file, begin, offsets):
                    return begin
            at = chunk.find(MAGIC, at + 1, MAGIC_AT + starts)
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
