"""The log of transactional ids, `__transaction_state`: written, made durable, rewritten.

Nothing is acknowledged before its record is flushed, under durability fsync; under the others at
once. The log is rewritten while the broker runs, a portion with each commit (log/state_log.py).
Tests: tests/unit/broker/transactions/test_transactions.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..config.broker import BrokerConfig
from ..log.recovery import NOTHING_KNOWN, Known
from ..log.state_log import StateLog
from ..storage.names import TRANSACTIONS_LOG
from ..storage.port import NoSpace
from ..waiting.group_commit import GroupCommit
from ..waiting.promise import Promise
from ..world import World
from .fold import Change, TransactionsState

A = TypeVar("A")


class Ledger:
    """Where decisions about transactional ids are written.

    Args:
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
        self.state = TransactionsState(config.transaction_version)
        self._clock = world.clock
        now_ms = world.clock.now_ms()
        self.log = StateLog(world.storage, TRANSACTIONS_LOG, self.state, now_ms, known)
        self.is_writable = False  # before the start is written
        self._durability = config.durability
        self._group_commit = group_commit
        self._written_to: dict[str, int] = {}  # by id, up to where; some of what is not durable

    @property
    def is_durable(self) -> bool:
        """Whether all that was written is as durable as an acknowledgement promises."""
        return self._durability != "fsync" or self.log.is_durable

    def is_durable_of(self, transactional_id: str) -> bool:
        """The same of what was written of one id."""
        written_to = self._written_to.get(transactional_id, 0)
        return self._durability != "fsync" or written_to <= self.log.durable_end_offset

    def commit(self, changes: Sequence[Change]) -> None:
        """Write and apply, all or nothing. Raises StorageError: nothing was written."""
        if not self.is_writable:
            raise NoSpace(TRANSACTIONS_LOG, "the disk is full: not even the start could be written")
        if self.log.is_durable:
            self._written_to.clear()
        now_ms = self._clock.now_ms()
        self.log.commit(changes, now_ms)
        end_offset = self.log.log.log_end_offset
        self._written_to.update((each.transactional_id, end_offset) for each in changes)
        is_rewritten = self.log.rewrite_a_little(now_ms)
        if self._durability == "memory":
            self.log.made_durable(self.log.mark())
        else:
            self._group_commit.written(self.log)
            if is_rewritten:
                self._group_commit.want()  # older segments go when the new one is flushed

    def when_durable(self, message: A, refusal: Callable[[], A]) -> A | Promise:
        """A response that stands once all that is written is durable: itself, or a promise of it.

        Args:
            refusal: makes the response for the case that the flush fails.
        """
        return message if self.is_durable else self._group_commit.when_durable(message, refusal)

    def when_flushed(self) -> bool | Promise:
        """True once all that any log holds by now is flushed; False if that fails.

        At once where acknowledgements do not wait for flushes.
        """
        if self._durability != "fsync":
            return True
        return self._group_commit.when_durable(True, lambda: False)
