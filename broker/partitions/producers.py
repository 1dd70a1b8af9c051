"""What a partition remembers of its producers: their newest batches, and what they have open.

Both are a fold over the batches of its log. A start folds them again, from a snapshot on; while the
broker runs partition.py adds to them what it has stored, by the same methods.
Read next: sequences.py, open_transactions.py.
Tests: tests/unit/broker/partitions/test_transactions.py
"""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.batch.control import read_marker
from ...protocol.batch.header import (
    LOG_APPEND_TIME_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    Buffer,
)
from ..log.aborted_index import AbortedTransaction
from .open_transactions import OpenTransactions
from .sequences import CRC_UNKNOWN, SequenceTable


class Producers:
    """The producers of one partition. Implements log.snapshots.Producers.

    Args:
        monotonic_ms: gives the time from which idleness is counted.
        packs_anew: whether the log has batches in other bytes than they were sent.
    """

    __slots__ = ("_opened_at_ms", "_packs_anew", "sequences", "transactions")

    def __init__(
        self, monotonic_ms: Callable[[], int] = lambda: 0, *, packs_anew: bool = False
    ) -> None:
        self.transactions = OpenTransactions()
        self.sequences = SequenceTable(monotonic_ms, kept=self.transactions.by_producer)
        self._opened_at_ms = monotonic_ms()
        self._packs_anew = packs_anew

    def on_batch(self, header: BatchHeader) -> None:
        """Take in a batch of data that stands in the log."""
        # By number: a million batches a gigabyte are read here after a crash.
        attributes = header[5]
        if header[9] < 0:
            return
        # A batch stamped with the broker's time, or compressed anew, is stored with another CRC
        # than it had.
        is_changed = attributes & LOG_APPEND_TIME_BIT or self._packs_anew
        sent_crc = CRC_UNKNOWN if is_changed else header[4]
        self.sequences.record(header, header[0], self._opened_at_ms, sent_crc)
        if attributes & TRANSACTIONAL_BIT:
            self.transactions.wrote(header[9], header[10], header[0], header.next_offset)

    def on_control(self, header: BatchHeader, batch: Buffer) -> AbortedTransaction | None:
        """Take in a control batch that stands in the log.

        Returns: what it has aborted.
        Raises: BatchError, if it cannot be read.
        """
        marker = read_marker(batch)
        if marker is None or marker.producer_id < 0:
            return None
        offset, timestamp = header.base_offset, header.max_timestamp
        self.sequences.mark(marker, offset, timestamp, self._opened_at_ms)
        ended = self.transactions.end(marker.producer_id, offset)
        return None if marker.is_commit else ended

    def __len__(self) -> int:
        return len(self.sequences)

    def packed(self) -> bytes:
        """Return all of it."""
        return self.sequences.packed() + self.transactions.packed()

    def unpack(self, data: bytes, version: int) -> None:
        """Become what packed() gave in this or an older version. Raises ValueError if it cannot."""
        self.transactions.unpack(self.sequences.unpack(data, version))

    def clear(self) -> None:
        """Forget everything."""
        self.sequences.clear()
        self.transactions.clear()
