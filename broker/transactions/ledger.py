"""The log of transactional ids, `__transaction_state`.

Its times are of the wall clock, which DescribeTransactions tells.
Read next: log/ledger.py, fold.py.
Tests: tests/unit/broker/transactions/test_transactions.py
"""

from __future__ import annotations

from collections.abc import Sequence

from ..config.broker import BrokerConfig
from ..log.ledger import Ledger
from ..log.recovery import NOTHING_KNOWN, Known
from ..log.state_log import StateLog
from ..storage.names import TRANSACTIONS_LOG
from ..waiting.group_commit import GroupCommit
from ..waiting.promise import Promise
from ..world import World
from .fold import Change, TransactionsState


class TransactionsLedger(Ledger[Change]):
    """Where decisions about transactional ids are written.

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
        self.state = TransactionsState(config.transaction_version)
        now_ms = world.clock.now_ms
        log = StateLog(world.storage, TRANSACTIONS_LOG, self.state, now_ms(), known)
        super().__init__(log, config.durability, group_commit, now_ms)
        self._written_to: dict[str, int] = {}  # by id, up to where; some of what is not durable

    def is_durable_of(self, transactional_id: str) -> bool:
        """Whether all that was written of one id is as durable as promised."""
        return self.is_durable_to(self._written_to.get(transactional_id, 0))

    def commit(self, records: Sequence[Change]) -> None:
        """Write as one batch and apply. Raises StorageError: nothing was written."""
        if self.log.is_durable:
            self._written_to.clear()
        super().commit(records)
        self._written_to.update((each.transactional_id, self.next_offset) for each in records)

    def when_flushed(self) -> bool | Promise:
        """True once all that any log holds by now is flushed; False if that fails.

        At once where acknowledgements do not wait for flushes.
        """
        if self._durability != "fsync":
            return True
        return self._group_commit.when_durable(True, lambda: False)
