"""The log of the groups, `__consumer_offsets`: written, made durable, rewritten while it grows.

An acknowledgement waits for the flush under durability fsync and for nothing otherwise, as with
records. Its times are of the running clock: no client ever sees them, and offsets must not expire
because a wall clock was set. Commits never end, so the log is rewritten while the broker runs: with
each commit a portion, once the log holds much more than the groups do (log/state_log.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..config.broker import BrokerConfig
from ..directory.running_clock import RunningClock
from ..log.recovery import NOTHING_KNOWN, Known
from ..log.state_log import StateLog
from ..storage.names import GROUPS_LOG
from ..storage.port import NoSpace
from ..waiting.group_commit import GroupCommit
from ..waiting.promise import Promise
from ..world import World
from .offsets import GroupsState
from .records import StateRecord

A = TypeVar("A")


class Ledger:
    """Where groups write what must be durable. Implements rebalances.Ledger.

    `clock` gives the time that records bear and offsets expire by.

    Args:
        group_commit: flushes the log together with the partitions.
        known: what is known of the log before it is opened.
    Raises:
        DamagedLog, StorageError: the log cannot be read.
        MetadataError: it holds records of a newer version.
    """

    def __init__(
        self,
        config: BrokerConfig,
        world: World,
        group_commit: GroupCommit,
        known: Known = NOTHING_KNOWN,
    ) -> None:
        self.state = GroupsState()
        now_ms = world.clock.now_ms()
        self.log = StateLog(world.storage, GROUPS_LOG, self.state, now_ms, known)
        self.clock = RunningClock(world.clock, world.storage, self.log.newest_at_ms)
        self._durability = config.durability
        self.is_writable = False  # before the start is written
        self._group_commit = group_commit

    @property
    def next_offset(self) -> int:
        """Where in the log the next record will stand."""
        return self.log.log.log_end_offset

    def is_durable_to(self, offset: int) -> bool:
        """Whether all before an offset is durable; always so where nobody waits for flushes."""
        return self._durability != "fsync" or self.log.durable_end_offset >= offset

    def commit(self, records: Sequence[StateRecord]) -> None:
        """Write as one batch and apply. Raises StorageError: nothing was written."""
        if not self.is_writable:
            raise NoSpace(GROUPS_LOG, "the disk is full: not even the start could be written")
        now_ms = self.clock.now_ms()
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
        if self._durability != "fsync" or self.log.is_durable:
            return message
        return self._group_commit.when_durable(message, refusal)
