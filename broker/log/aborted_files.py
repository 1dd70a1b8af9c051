"""The `.txnindex` files of a log at a start: taken if they hold, else made again from the batches.

A file is there only where a transaction was aborted. The summary of its segment has the number of
its entries and its CRC. Of a segment that is read, what was noted in front of a snapshot is taken
from the file, by number and CRC in the snapshot; the rest is folded. What does not hold is made
again by one pass over the headers, from the log's first segment on: an entry says where a
transaction began, which may be in any segment before. One that began below the log start counts
from its first batch that is left; nobody can read what came before.
Tests: tests/unit/broker/log/test_aborted_files.py
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence

from ...protocol.batch.control import read_marker
from ...protocol.batch.header import TRANSACTIONAL_BIT, BatchHeader, Buffer
from ..storage.port import Storage, StorageError
from .aborted_index import (
    ENTRY_BYTES,
    NONE_ABORTED,
    AbortedIndex,
    AbortedSum,
    AbortedTransaction,
    DamagedAbortedIndex,
)
from .epochs import LeaderEpochs
from .folding import Fold, fold_headers
from .segment import Segment


def load(storage: Storage, segment: Segment, expected: AbortedSum) -> bool:
    """Take the entries of a segment that are expected, and no later ones, from its file.

    Returns: whether these are there, or none are expected; if not, nothing has changed.
    """
    if expected == NONE_ABORTED:
        return True
    try:
        data = storage.read_bytes(segment.aborted_path)
        wanted = data[: expected.entry_count * ENTRY_BYTES]
        index = AbortedIndex.decoded(wanted, segment.base_offset)
    except (StorageError, DamagedAbortedIndex):
        return False
    if index.sum() != expected:
        return False
    segment.aborted = index
    return True


def make_anew(
    segments: Sequence[Segment], lacking: Collection[Segment], epochs: LeaderEpochs
) -> list[str]:
    """Make the indexes of some segments from the batches, and write them.

    Args:
        segments: of the log, from the first one on.
        lacking: those that have none.
        epochs: of the log.
    Returns: a line for each that was made.
    Raises: DamagedLog, StorageError: the batches cannot be read.
    """
    bases = {each.base_offset for each in lacking}
    notes: list[str] = []
    opened = _Opened()
    for segment in segments:
        if segment.base_offset > max(bases, default=-1):
            break
        index = opened.index = AbortedIndex()
        fold_headers(segment, 0, Fold(opened.on_batch, opened.on_control))
        if segment.base_offset in bases:
            segment.aborted = index
            is_last = segment is segments[-1]
            with contextlib.suppress(StorageError):  # the next start makes it again
                segment.save_indexes()
                if not is_last:  # that of the last one is written when the broker stops
                    begin, end = segment.base_offset, segment.next_offset
                    segment.save_summary(epochs.within(begin, end))
            segment.close()
            notes.append(
                f"{segment.file.path}: the index of its {len(index)} aborted transactions was "
                "missing or spoilt; made again from the batches"
            )
    return notes


class _Opened:
    """What is open, from batch to batch: producer id -> first offset, in the order of these."""

    def __init__(self) -> None:
        self._first_offsets: dict[int, int] = {}
        self.index = AbortedIndex()

    def on_batch(self, header: BatchHeader) -> None:
        if header.attributes & TRANSACTIONAL_BIT and header.producer_id >= 0:
            self._first_offsets.setdefault(header.producer_id, header.base_offset)

    def on_control(self, header: BatchHeader, batch: Buffer) -> None:
        marker = read_marker(batch)
        if marker is None:
            return
        first_offset = self._first_offsets.pop(marker.producer_id, None)
        if first_offset is not None and not marker.is_commit:
            offset = header.base_offset
            stable = next(iter(self._first_offsets.values()), offset + 1)
            self.index.add(AbortedTransaction(marker.producer_id, first_offset, offset, stable))
