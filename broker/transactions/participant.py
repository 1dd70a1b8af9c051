"""Where transactions write: partitions, and the log of committed offsets, as an ending sees them.

All partitions of `__consumer_offsets` that clients see are one log here, that of the groups.
Tests: tests/unit/broker/transactions/test_completion.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...protocol.batch.control import Marker
from .offsets_partition import OFFSETS_TOPIC
from .transaction import TopicPartition


class Participant(Protocol):
    """A log with batches of transactions."""

    def close_transaction(self, producer_id: int) -> None:
        """Its ending has begun: the open transaction of that producer takes no more batches."""

    def reopen_transaction(self, producer_id: int) -> None:
        """The ending was withdrawn, for Prepare* could not be written: it takes batches again."""

    def holds_unflushed(self, producer_id: int) -> bool:
        """Whether something that its open transaction wrote is still to be flushed."""

    def append_marker(self, marker: Marker, now_ms: int) -> bool:
        """End the transaction here; whether anything was appended. Raises StorageError: no room."""


class Participants:
    """All that can take part in a transaction.

    Args:
        partition: a partition by topic and number; None if there is none.
        opened: the same of those alone to which anybody has ever come: all others hold nothing.
        offsets: the log of committed offsets.
        appended: a partition was appended to: readers and the flush must hear of it.
        pay: does what a full disk must not prevent (Reserve.pay).
        now_ms: the wall clock, for what markers bear.
    """

    def __init__(
        self,
        partition: Callable[[str, int], Participant | None],
        offsets: Participant,
        *,
        opened: Callable[[str, int], Participant | None],
        appended: Callable[[Participant], None],
        pay: Callable[[Callable[[], bool]], bool],
        now_ms: Callable[[], int],
    ) -> None:
        self._partition = partition
        self._offsets = offsets
        self._opened = opened
        self._appended = appended
        self._pay = pay
        self._now_ms = now_ms

    def find(self, where: TopicPartition) -> Participant | None:
        """What a transaction calls by this name; None if it is no more."""
        if where.topic == OFFSETS_TOPIC:
            return self._offsets
        return self._partition(where.topic, where.partition)

    def find_opened(self, where: TopicPartition) -> Participant | None:
        """The same, of what may hold something: a transaction may name thousands that do not."""
        if where.topic == OFFSETS_TOPIC:
            return self._offsets
        return self._opened(where.topic, where.partition)

    def append_marker(self, where: TopicPartition, marker: Marker) -> None:
        """End a transaction in one place, if it is still there.

        Raises StorageError: not even the reserve has room.
        """
        participant = self.find(where)
        if participant is None:
            return
        now_ms = self._now_ms()
        if self._pay(lambda: participant.append_marker(marker, now_ms)):
            self._appended(participant)
