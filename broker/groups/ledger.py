"""The log of the groups, `__consumer_offsets`.

Its times are of the running clock: offsets must not expire because a wall clock was set. Who reads
the log as a topic sees them (partitions/groups_partition.py).
Read next: log/ledger.py, offsets.py.
"""

from __future__ import annotations

from ..config.broker import BrokerConfig
from ..directory.running_clock import RunningClock
from ..log.ledger import Ledger
from ..log.recovery import NOTHING_KNOWN, Known
from ..log.state_log import StateLog
from ..storage.names import GROUPS_LOG
from ..waiting.group_commit import GroupCommit
from ..world import World
from .offsets import GroupsState
from .records import StateRecord


class GroupsLedger(Ledger[StateRecord]):
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
        log = StateLog(world.storage, GROUPS_LOG, self.state, world.clock.now_ms(), known)
        self.clock = RunningClock(world.clock, world.storage, log.newest_at_ms)
        super().__init__(log, config.durability, group_commit, self.clock.now_ms)
