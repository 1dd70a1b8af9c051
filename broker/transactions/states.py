"""The states of a transactional id, the ways between them, and what each answers to a request.

    Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing ... or Empty, by InitProducerId
                     -> PrepareAbort  -> CompleteAbort  -> Ongoing ... or Empty
    Empty, Complete* -> PrepareAbort: a client of KIP-890 may abort what it never began

Dead is also what an id is that nobody has heard of. ANSWERS holds the answer of each state to a
request that is otherwise right: its producer id and epoch are the present ones, or, for the asks
that end in AGAIN, the ones from before the transaction ended. While an ending is under way its id
counts as Prepare*, also before that is written (endings.py).
Source: TransactionState.java, TransactionCoordinator.scala of Kafka; KIP-98, KIP-890.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from ...protocol.errors import ErrorCode


class TransactionState(Enum):
    """A state, by its number in `__transaction_state`."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7  # Kafka's, for a moment and in memory; nothing here is ever in it

    @property
    def kafka_name(self) -> str:
        """What DescribeTransactions and ListTransactions call it."""
        return "".join(part.capitalize() for part in self.name.split("_"))


EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT, DEAD, _ = (
    TransactionState
)
DURABLE = frozenset(
    (EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT)
)
PREPARED = frozenset((PREPARE_COMMIT, PREPARE_ABORT))
IDLE = frozenset((EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT))

NEXT: Mapping[TransactionState, frozenset[TransactionState]] = MappingProxyType(
    {
        EMPTY: frozenset((EMPTY, ONGOING, PREPARE_ABORT, DEAD)),
        ONGOING: frozenset((ONGOING, PREPARE_COMMIT, PREPARE_ABORT)),
        PREPARE_COMMIT: frozenset((COMPLETE_COMMIT,)),
        PREPARE_ABORT: frozenset((COMPLETE_ABORT,)),
        COMPLETE_COMMIT: frozenset((EMPTY, ONGOING, PREPARE_ABORT, DEAD)),
        COMPLETE_ABORT: frozenset((EMPTY, ONGOING, PREPARE_ABORT, DEAD)),
        DEAD: frozenset((EMPTY,)),
    }
)


class Ask(Enum):
    """What can be asked of an id."""

    INITIALISE = auto()
    ADD = auto()  # partitions, by name or by what is written to them
    VERIFY = auto()  # that a partition is in the transaction
    COMMIT = auto()  # EndTxn v0 to v4
    ABORT = auto()
    COMMIT_BUMPING = auto()  # EndTxn v5, which begins the next epoch
    ABORT_BUMPING = auto()
    COMMIT_AGAIN = auto()  # EndTxn v5 with the epoch before: a retry
    ABORT_AGAIN = auto()
    TIME_OUT = auto()  # asked by time
    EXPIRE = auto()


class Then(Enum):
    """What a state does where it does not refuse."""

    CREATE = auto()  # the id comes into being
    BUMP = auto()  # the next epoch, or the next producer id
    FENCE = auto()  # the transaction is aborted under the next epoch; whoever asked asks again
    BEGIN = auto()
    ADD = auto()
    LOOK = auto()  # whether the partition is there
    END = auto()
    END_NOTHING = auto()  # an abort of no transaction: it only begins the next epoch
    ANSWER = auto()  # yes, again
    WAIT = auto()  # until the ending is over
    REMOVE = auto()
    NOTHING = auto()


_STATE, _FENCED = ErrorCode.INVALID_TXN_STATE, ErrorCode.PRODUCER_FENCED
_NOT_THERE, _NOT_ADDED = ErrorCode.INVALID_PRODUCER_ID_MAPPING, ErrorCode.TRANSACTION_ABORTABLE
_BUMP, _BEGIN, _END, _WAIT = Then.BUMP, Then.BEGIN, Then.END, Then.WAIT
_END_NOTHING, _ANSWER, _REMOVE, _NOTHING = (
    Then.END_NOTHING,
    Then.ANSWER,
    Then.REMOVE,
    Then.NOTHING,
)

Entry = ErrorCode | Then
_COLUMNS = (EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT, DEAD)
_ROWS: Mapping[Ask, tuple[Entry, ...]] = {
    Ask.INITIALISE: (_BUMP, Then.FENCE, _WAIT, _WAIT, _BUMP, _BUMP, Then.CREATE),
    Ask.ADD: (_BEGIN, Then.ADD, _WAIT, _WAIT, _BEGIN, _BEGIN, _NOT_THERE),
    Ask.VERIFY: (_NOT_ADDED, Then.LOOK, _WAIT, _WAIT, _NOT_ADDED, _NOT_ADDED, _NOT_THERE),
    Ask.COMMIT: (_STATE, _END, _WAIT, _WAIT, _ANSWER, _STATE, _NOT_THERE),
    Ask.ABORT: (_STATE, _END, _WAIT, _WAIT, _STATE, _ANSWER, _NOT_THERE),
    Ask.COMMIT_BUMPING: (_STATE, _END, _WAIT, _WAIT, _STATE, _STATE, _NOT_THERE),
    Ask.ABORT_BUMPING: (
        *(_END_NOTHING, _END, _WAIT, _WAIT, _END_NOTHING, _END_NOTHING),
        _NOT_THERE,
    ),
    Ask.COMMIT_AGAIN: (_FENCED, _FENCED, _WAIT, _WAIT, _ANSWER, _STATE, _NOT_THERE),
    Ask.ABORT_AGAIN: (_FENCED, _FENCED, _WAIT, _WAIT, _STATE, _ANSWER, _NOT_THERE),
    Ask.TIME_OUT: (_NOTHING, Then.FENCE, *[_NOTHING] * 5),
    Ask.EXPIRE: (_REMOVE, _NOTHING, _NOTHING, _NOTHING, _REMOVE, _REMOVE, _NOTHING),
}
ANSWERS: Mapping[tuple[TransactionState, Ask], Entry] = MappingProxyType(
    {
        (state, ask): verdict
        for ask, row in _ROWS.items()
        for state, verdict in zip(_COLUMNS, row, strict=True)
    }
)
