"""InitProducerId with a transactional id: who may go on, and with which producer id and epoch.

A producer that names no id starts anew; one that names its id and epoch goes on after an error
(KIP-360), and may ask twice: the epoch from before is then answered with the present one.
While a transaction is Ongoing, it is aborted under the next epoch first, and the request is asked
again. Not as Kafka: there any epoch, even one never granted, aborts it; 1. a zombie of epoch 0
comes back  2. it asks to go on  3. the living producer, of epoch 2, loses its transaction. Here
whoever names another epoch than the present one is told that it is fenced itself.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ...protocol.errors import ErrorCode
from .coordinator import Coordinator
from .fold import Change
from .outcomes import Answer, Outcome, Postponed, Settled, refused
from .states import ANSWERS, Ask, Then
from .transaction import LAST_EPOCH, NONE, Now, Transaction, created, initialised

_FENCED: Final = refused(ErrorCode.PRODUCER_FENCED)


class Known(NamedTuple):
    """The producer id and epoch that a producer says it has had."""

    producer_id: int
    producer_epoch: int


def initialise(
    coordinator: Coordinator,
    transactional_id: str,
    *,
    timeout_ms: int,
    producer_id: int,
    producer_epoch: int,
    now: Now,
) -> Outcome:
    """Decide about InitProducerId.

    Args:
        producer_id, producer_epoch: -1 both, or neither.
    """
    if not transactional_id or (producer_id == NONE) != (producer_epoch == NONE):
        return refused(ErrorCode.INVALID_REQUEST)
    if not 0 < timeout_ms <= coordinator.timeout_max_ms:
        return refused(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
    known = None if producer_id == NONE else Known(producer_id, producer_epoch)
    verdict = ANSWERS[coordinator.standing(transactional_id), Ask.INITIALISE]
    if verdict is Then.WAIT:
        return Postponed(transactional_id)
    if verdict is Then.CREATE:
        if not coordinator.state.has_room():
            return refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return _granted(transactional_id, created(coordinator.take_producer_id(), timeout_ms, now))
    before = coordinator.state.transactions[transactional_id]
    if known is not None and not _may_go_on(before, known):
        return _FENCED
    if verdict is Then.FENCE:
        present = before.producer_id, before.producer_epoch
        return coordinator.fence(transactional_id, now) if known in (None, present) else _FENCED
    assert verdict is Then.BUMP
    after = _bumped(coordinator, before, known, timeout_ms, now)
    return _FENCED if after is None else _granted(transactional_id, after)


def _may_go_on(before: Transaction, known: Known) -> bool:
    """Whether the id is the present one, or was given up for it because its epochs ran out."""
    if known.producer_id == before.producer_id:
        return True
    return known.producer_id == before.previous_producer_id and known.producer_epoch >= LAST_EPOCH


def _bumped(
    coordinator: Coordinator,
    before: Transaction,
    known: Known | None,
    timeout_ms: int,
    now: Now,
) -> Transaction | None:
    """With the epoch that the producer gets; None: it is fenced."""
    last_epoch = NONE if known is None else before.producer_epoch
    is_present = known is None or known.producer_epoch == before.producer_epoch
    if is_present and before.is_exhausted:
        granted, epoch = coordinator.take_producer_id(), 0
    elif is_present:
        granted, epoch = before.producer_id, before.producer_epoch + 1
    elif known is not None and known.producer_epoch == before.last_producer_epoch:
        # 1. InitProducerId is answered  2. the answer is lost  3. the retry names the epoch from
        # before. Nobody else has come in between: that would have made the last epoch unknown.
        granted, epoch = before.producer_id, before.producer_epoch
        last_epoch = before.last_producer_epoch
    else:
        return None
    return initialised(
        before,
        producer_id=granted,
        producer_epoch=epoch,
        last_producer_epoch=last_epoch,
        timeout_ms=timeout_ms,
        now=now,
    )


def _granted(transactional_id: str, after: Transaction) -> Settled:
    answer = Answer(producer_id=after.producer_id, producer_epoch=after.producer_epoch)
    return Settled(answer, (Change(transactional_id, after),))
