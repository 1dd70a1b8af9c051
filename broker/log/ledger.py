"""A state log with what its writers need: who may write, what it waits for, when it is rewritten.

An acknowledgement waits for the flush under durability fsync, and for nothing otherwise, as with
records. The log is rewritten while the broker runs: with each commit a portion, once it holds much
more than its state (state_log.py).
Behind it: groups/ledger.py, transactions/ledger.py.
Tests: tests/unit/broker/groups/test_ledger.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..storage.port import NoSpace
from ..waiting.group_commit import GroupCommit
from ..waiting.promise import Promise
from .state_log import StateLog

A = TypeVar("A")
R = TypeVar("R")


class Ledger(Generic[R]):
    """Where a part of the broker writes what must be durable.

    Args:
        group_commit: flushes the log together with the partitions.
        now_ms: the time that records bear.

    Attributes:
        is_writable: False before the start is written.
    """

    def __init__(
        self,
        log: StateLog[R],
        durability: str,
        group_commit: GroupCommit,
        now_ms: Callable[[], int],
    ) -> None:
        self.log = log
        self.is_writable = False
        self._durability = durability
        self._group_commit = group_commit
        self._now_ms = now_ms

    @property
    def next_offset(self) -> int:
        """Where in the log the next record will stand."""
        return self.log.log.log_end_offset

    @property
    def is_durable(self) -> bool:
        """Whether all that was written is as durable as an acknowledgement promises."""
        return self._durability != "fsync" or self.log.is_durable

    def is_durable_to(self, offset: int) -> bool:
        """Whether all before an offset is durable; always so where nobody waits for flushes."""
        return self._durability != "fsync" or self.log.durable_end_offset >= offset

    def commit(self, records: Sequence[R]) -> None:
        """Write as one batch and apply. Raises StorageError: nothing was written."""
        if not self.is_writable:
            path = self.log.log.directory
            raise NoSpace(path, "the disk is full: not even the start could be written")
        now_ms = self._now_ms()
        self.log.commit(records, now_ms)
        is_rewritten = self.log.rewrite_a_little(now_ms)
        if self._durability == "memory":
            self.log.made_durable(self.log.mark())
        else:
            self._group_commit.written(self.log)
            if is_rewritten:
                self._group_commit.want()  # older segments go when the new one is flushed

    def want_flush(self) -> None:
        """What was written is to be flushed soon, although nobody waits for an answer."""
        if self._durability == "fsync":
            self._group_commit.want()

    def when_durable(self, message: A, refusal: Callable[[], A]) -> A | Promise:
        """A response that stands once all that is written is durable: itself, or a promise of it.

        Args:
            refusal: makes the response for the case that the flush fails.
        """
        return message if self.is_durable else self._group_commit.when_durable(message, refusal)
