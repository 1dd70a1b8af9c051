"""The transactions that are open in one partition, and the offset that readers of commits stop at.

A transaction is open from its first batch here to its marker. Readers of what is committed stop at
the first batch of the oldest one. One that a marker has ended still counts until the marker is
durable (duty 6 of docs/design.md): 1. a marker is appended  2. a reader sees what it commits
3. power lost: the marker is gone, a start finds the transaction open and may abort it.
Of one producer at most one is open. A fold over the batches; snapshots hold it (producers.py).
Source: ProducerStateManager.java of Kafka: ongoingTxns, unreplicatedTxns.
Tests: tests/unit/broker/partitions/test_transactions.py
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from ..log.aborted_index import AbortedTransaction

_PACKED: Final = struct.Struct(">qhq")  # producer id and epoch, first offset


class OpenTransaction:
    """One that is open, or ended by a marker that is not durable yet.

    Attributes:
        first_offset: of its first batch here; that may have been deleted since.
        next_offset: behind its newest batch.
        began_bytes: what had been appended to the partition before its first batch.
        is_closed: its ending has begun: it takes no more batches.
    """

    __slots__ = (
        "began_bytes",
        "first_offset",
        "is_closed",
        "next_offset",
        "producer_epoch",
        "producer_id",
    )

    def __init__(
        self, producer_id: int, producer_epoch: int, first_offset: int, began_bytes: int = 0
    ) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.first_offset = first_offset
        self.next_offset = first_offset
        self.began_bytes = began_bytes
        self.is_closed = False


class OpenTransactions:
    """Those of one partition; iterating gives them in the order in which they began.

    Attributes:
        by_producer: the same, by producer id. Only read by others.
        oldest: the one at which readers of commits stop; None: they read on.
    """

    __slots__ = ("_closed", "_unseen", "by_producer", "oldest")

    def __init__(self) -> None:
        self.by_producer: dict[int, OpenTransaction] = {}
        self.oldest: OpenTransaction | None = None
        # Small while empty, for ten thousand partitions have one each.
        self._unseen: list[tuple[int, OpenTransaction]] = []  # by the offset of the marker
        self._closed: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self.by_producer)

    def __iter__(self) -> Iterator[OpenTransaction]:
        return iter([*self.by_producer.values()])

    def wrote(
        self,
        producer_id: int,
        producer_epoch: int,
        base_offset: int,
        next_offset: int,
        began_bytes: int = 0,
    ) -> None:
        """A batch of a transaction has been stored; the first one opens it.

        Args:
            began_bytes: what had been appended to the partition before this batch.
        """
        found = self.by_producer.get(producer_id)
        if found is None:
            found = OpenTransaction(producer_id, producer_epoch, base_offset, began_bytes)
            self.by_producer[producer_id] = found
            if self.oldest is None:
                self.oldest = found
        found.next_offset = next_offset

    def end(
        self, producer_id: int, marker_offset: int, *, is_durable: bool = True
    ) -> AbortedTransaction | None:
        """The marker of a producer has been stored.

        Args:
            is_durable: whether that marker can be seen at once; if not, durable_up_to() tells.
        Returns: the entry for the index of aborted transactions, should it be an abort; None if
            nothing was open.
        """
        self._closed.pop(producer_id, None)
        ended = self.by_producer.pop(producer_id, None)
        if ended is None:
            return None
        if not is_durable:
            self._unseen.append((marker_offset, ended))
        elif ended is self.oldest:
            self._find_oldest()
        stable = next(iter(self.by_producer.values()), None)
        last_stable_offset = marker_offset + 1 if stable is None else stable.first_offset
        return AbortedTransaction(
            producer_id, ended.first_offset, marker_offset, last_stable_offset
        )

    def durable_up_to(self, offset: int) -> None:
        """Markers below an offset can be seen from now on."""
        if self._unseen:
            self._unseen = [each for each in self._unseen if each[0] >= offset]
            self._find_oldest()

    def close(self, producer_id: int) -> None:
        """The ending of the producer's transaction has begun, whether it has written here or not.

        Until its marker is here nothing of it is taken: 1. a batch has been admitted, and waits
        for its turn  2. its transaction is decided  3. stored now, it would be committed or aborted
        by a decision that did not know it.
        """
        self._closed[producer_id] = None
        found = self.by_producer.get(producer_id)
        if found is not None:
            found.is_closed = True

    def reopen(self, producer_id: int) -> None:
        """Its ending was withdrawn: it takes batches again."""
        self._closed.pop(producer_id, None)
        found = self.by_producer.get(producer_id)
        if found is not None:
            found.is_closed = False

    def is_closed(self, producer_id: int) -> bool:
        """Whether an ending is under way, and the marker not here yet."""
        return producer_id in self._closed

    def packed(self) -> bytes:
        """Those that are open, for a snapshot."""
        return b"".join(
            _PACKED.pack(each.producer_id, each.producer_epoch, each.first_offset)
            for each in self.by_producer.values()
        )

    def unpack(self, data: bytes) -> None:
        """Become what packed() gave. Raises ValueError if this cannot be."""
        if len(data) % _PACKED.size:
            raise ValueError(f"{len(data)} bytes are no open transactions of {_PACKED.size}")
        self.clear()
        for producer_id, producer_epoch, first_offset in _PACKED.iter_unpack(data):
            self.wrote(producer_id, producer_epoch, first_offset, first_offset)

    def clear(self) -> None:
        """Forget everything."""
        self.by_producer.clear()  # the same object: whoever looks into it goes on doing so
        self.oldest = None
        self._unseen.clear()
        self._closed.clear()

    def _find_oldest(self) -> None:
        oldest = next(iter(self.by_producer.values()), None)
        for _, each in self._unseen:
            if oldest is None or each.first_offset < oldest.first_offset:
                oldest = each
        self.oldest = oldest
