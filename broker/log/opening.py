"""A log's directory made sense of at a start: recovery, snapshots, what a crash has left over.

    1. the newest snapshot that fits the files   2. recovery, which reads what it must and folds the
    batches above the snapshot   3. if the log ends below the snapshot after all: an older one, and
    the headers above it   4. indexes of aborted transactions that are lacking are made
    5. files without their segment are removed

Read next: recovery.py, snapshots.py.
Tests: tests/unit/broker/log/test_snapshots.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..storage.port import Storage
from .aborted_files import make_anew
from .aborted_index import SUFFIX as ABORTED_SUFFIX
from .epochs import LeaderEpochs
from .folding import Fold, fold_headers
from .identity import is_of_log
from .recovery import Known, RecoveryReport, recover, segment_offsets
from .segment import Segment
from .snapshots import Producers, Snapshot, Snapshots

_OFFSET_MAX: Final = 2**63 - 1
_OF_SEGMENT: Final = (".index", ".timeindex", ABORTED_SUFFIX, ".summary")
_HALF_DONE: Final = (".tmp", ".deleted")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a directory holds.

    Args:
        names: the files that were there.
        report: what was cut, if anything.
        notes: what else was removed, a line each.
    """

    names: list[str]
    segments: list[Segment]
    epochs: LeaderEpochs
    snapshots: Snapshots
    report: RecoveryReport | None
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """What producers can be restored from, and where it is said what was removed."""

    directory: str
    snapshots: Snapshots
    producers: Producers | None
    notes: list[str]


def open_directory(
    storage: Storage,
    directory: str,
    index_interval_bytes: int,
    fold: Fold,
    *,
    producers: Producers | None,
    known: Known,
) -> Opened:
    """Recover the log in a directory; arguments and errors are those of Log.open."""
    if producers is None:  # a state log: its records are replayed whole, so all are checked
        known = replace(known, reads_all=True)
    names = [] if known.is_new else storage.list_dir(directory)
    notes: list[str] = []
    snapshots = Snapshots(storage, directory, names)

    found = _Found(directory, snapshots, producers, notes)
    snapshot: Snapshot | None = None
    fold_from = _from_clean_stop(snapshots, producers, known)
    if fold_from is None:
        bare = [Segment(storage, directory, base) for base in segment_offsets(names)]
        snapshot = _restore(found, bare, _OFFSET_MAX)
        fold_from = 0 if snapshot is None else snapshot.offset
        for segment in bare:
            segment.close()
    recovered = recover(
        storage,
        directory,
        names,
        index_interval_bytes,
        fold,
        known=known,
        fold_from=fold_from,
        snapshot=snapshot,
    )
    segments = recovered.segments
    end_offset = segments[-1].next_offset if segments else 0
    if fold_from > end_offset:
        snapshot = _restore(found, segments, end_offset)
        fold_from = 0 if snapshot is None else snapshot.offset
        for segment in segments:
            if segment.next_offset > fold_from:
                fold_headers(segment, fold_from, fold)
    notes += make_anew(segments, recovered.lacking, recovered.epochs)
    notes += _tidy(storage, directory, names, segments)
    return Opened(names, segments, recovered.epochs, snapshots, recovered.report, notes)


def _restore(found: _Found, segments: Sequence[Segment], end_offset: int) -> Snapshot | None:
    """Restore the producers from a snapshot, and return it; None if they begin with nothing."""
    producers, snapshots = found.producers, found.snapshots
    while producers is not None:
        producers.clear()
        snapshot, removed = snapshots.find(segments, end_offset)
        found.notes.extend(removed)
        if snapshot is None:
            break
        try:
            producers.unpack(snapshot.table, snapshot.version)
        except ValueError as error:
            found.notes.append(f"{found.directory}: snapshot {snapshot.offset}: {error}; removed")
            snapshots.drop(snapshot.offset)
        else:
            return snapshot
    return None


def _from_clean_stop(snapshots: Snapshots, producers: Producers | None, known: Known) -> int | None:
    """Restore the producers as a clean stop left them: the log end; None if that cannot be."""
    if producers is None or known.last is None:
        return None
    if not known.remembers_nothing:
        snapshot = snapshots.of_clean_stop(known.last)
        if snapshot is None:
            return None
        try:
            producers.unpack(snapshot.table, snapshot.version)
        except ValueError:
            return None
    return known.last.next_offset


def _tidy(
    storage: Storage, directory: str, names: Sequence[str], segments: Sequence[Segment]
) -> list[str]:
    """Remove files that a crash has left without their segment, or half written; tell them."""
    notes: list[str] = []
    bases = {segment.base_offset for segment in segments}
    for name in filter(is_of_log, names):
        stem = name.partition(".")[0]
        is_of_segment = name.endswith(_OF_SEGMENT) and stem.isdecimal()
        if name.endswith(_HALF_DONE) or (is_of_segment and int(stem) not in bases):
            notes.append(f"{directory}/{name}: left by a crash; removed")
            storage.remove(f"{directory}/{name}")
    return notes
