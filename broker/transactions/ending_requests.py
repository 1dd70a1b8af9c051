"""EndTxn: whether a transaction may end as its producer asks.

The version of the request decides, not that of what came before: v0 to v4 end a transaction at its
epoch, v5 bumps the epoch with every ending (KIP-890), so that its retry bears the epoch from before
and can be told from the next EndTxn. Both may come for one id.
"""

from __future__ import annotations

from ...protocol.errors import ErrorCode
from .coordinator import Coordinator, wrong_producer
from .outcomes import Answer, Ends, Outcome, Postponed, Settled, refused
from .states import ANSWERS, COMPLETE_ABORT, Ask, Then
from .transaction import BUMPING, LAST_EPOCH, NONE, Now, Transaction, prepared

_FENCED = ErrorCode.PRODUCER_FENCED
_NOT_THERE = ErrorCode.INVALID_PRODUCER_ID_MAPPING


def end(
    coordinator: Coordinator,
    transactional_id: str,
    producer_id: int,
    producer_epoch: int,
    *,
    is_commit: bool,
    now: Now,
) -> Outcome:
    """Decide about EndTxn v0 to v4."""
    if not transactional_id:
        return refused(ErrorCode.INVALID_REQUEST)
    ask = Ask.COMMIT if is_commit else Ask.ABORT
    verdict = ANSWERS[coordinator.standing(transactional_id), ask]
    before = coordinator.state.transactions.get(transactional_id)
    if before is None:
        return refused(_NOT_THERE)
    if verdict is Then.WAIT and _next_epoch_is_due(coordinator, transactional_id):
        return Postponed(transactional_id)
    wrong = wrong_producer(before, producer_id, producer_epoch)
    if wrong is not None:
        return refused(wrong)
    if isinstance(verdict, ErrorCode):
        return refused(verdict)
    if verdict is Then.WAIT:
        return Postponed(transactional_id)
    if verdict is Then.ANSWER:
        return Settled(Answer())
    assert verdict is Then.END
    coordinator.begin(
        transactional_id, prepared(before, now, is_commit=is_commit, client_version=0)
    )
    return Ends(transactional_id, Answer())


def end_bumping(
    coordinator: Coordinator,
    transactional_id: str,
    producer_id: int,
    producer_epoch: int,
    *,
    is_commit: bool,
    now: Now,
) -> Outcome:
    """Decide about EndTxn v5; a yes has the producer id and epoch of the next transaction."""
    if not transactional_id:
        return refused(ErrorCode.INVALID_REQUEST)
    before = coordinator.state.transactions.get(transactional_id)
    if before is None:
        return refused(_NOT_THERE)
    standing = coordinator.standing(transactional_id)
    present, again = (
        (Ask.COMMIT_BUMPING, Ask.COMMIT_AGAIN)
        if is_commit
        else (Ask.ABORT_BUMPING, Ask.ABORT_AGAIN)
    )
    if ANSWERS[standing, present] is Then.WAIT:
        if _next_epoch_is_due(coordinator, transactional_id):
            return Postponed(transactional_id)
        wrong = wrong_producer(before, producer_id, producer_epoch)
        return Postponed(transactional_id) if wrong is None else refused(wrong)
    is_retry = _was_before(before, producer_id, producer_epoch, coordinator.state.level)
    if not is_retry:
        wrong = wrong_producer(before, producer_id, producer_epoch)
        if wrong is not None:
            return refused(wrong)
    verdict = ANSWERS[standing, again if is_retry else present]
    if isinstance(verdict, ErrorCode):
        return refused(verdict)
    if verdict is Then.ANSWER:
        return Settled(Answer(producer_id=before.producer_id, producer_epoch=before.producer_epoch))
    if coordinator.state.level == 0:
        # In Kafka the record cannot be written, and the id is stuck for good.
        return refused(ErrorCode.UNSUPPORTED_VERSION)
    assert verdict in (Then.END, Then.END_NOTHING)
    prepare = prepared(
        before,
        now,
        is_commit=is_commit,
        client_version=BUMPING,
        next_producer_id=coordinator.take_producer_id() if before.is_exhausted else NONE,
    )
    coordinator.begin(transactional_id, prepare)
    granted_id, granted_epoch = prepare.successor
    return Ends(transactional_id, Answer(producer_id=granted_id, producer_epoch=granted_epoch))


def _next_epoch_is_due(coordinator: Coordinator, transactional_id: str) -> bool:
    """Whether the ending under way bumps the epoch: until it is over nobody's can be compared."""
    return coordinator.endings[transactional_id].prepare.client_version >= BUMPING


def _was_before(before: Transaction, producer_id: int, producer_epoch: int, level: int) -> bool:
    """Whether these are the producer id and epoch from before the last ending, which bumped them.

    In Kafka the epoch before is always taken for that: 1. a timeout aborts the transaction of epoch
    0  2. the producer goes on with epoch 1, and commits by EndTxn v4, without a bump  3. a late
    EndTxn v5 of epoch 0 is told that its transaction is committed. It is asked here who has bumped.
    """
    if producer_id == before.producer_id and producer_epoch + 1 == before.producer_epoch:
        # Below level 2 the record of a fence does not tell it from an ending by EndTxn v4.
        may_be_a_fence = level < BUMPING and before.state is COMPLETE_ABORT
        return before.client_version >= BUMPING or may_be_a_fence
    was_last = (producer_id, producer_epoch) == (before.previous_producer_id, LAST_EPOCH)
    return was_last and before.producer_epoch == 0
