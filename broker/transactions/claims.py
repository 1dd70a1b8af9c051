"""What becomes of the transactions that a start finds open in the partitions (duty 7).

1. a batch is appended, and so is the record that its partition is in the transaction  2. the power
goes before either is durable  3. a partition's log may have kept what the state log has lost, for
nothing was acknowledged yet. A start infers no decision from what is missing; it asks the state log
about each open transaction, and aborts one by itself only if that log is known to be whole.
Asked once for each, after Coordinator.start and before the first request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...protocol.batch.control import Marker
from .coordinator import COORDINATOR_EPOCH, Coordinator
from .fold import Change
from .states import ONGOING
from .transaction import Now, TopicPartition, Transaction, extended


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """What a partition knows of a transaction whose marker it does not have."""

    partition: TopicPartition
    producer_id: int
    producer_epoch: int


@dataclass(frozen=True, slots=True)
class GoesOn:
    """It is Ongoing; `change` is to be written where the state log does not have the partition."""

    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """Its ending is under way, and has the marker for this partition."""

    transactional_id: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Nobody will ever end it: append this marker."""

    marker: Marker


@dataclass(frozen=True, slots=True)
class Held:
    """The state log may have lost what was decided: it stays open, and an operator is told."""


Claim = GoesOn | Decided | Abandoned | Held


def ids_of_producers(coordinator: Coordinator) -> dict[int, str]:
    """The transactional id of each producer id that has one now."""
    return {each.producer_id: name for name, each in coordinator.state.transactions.items()}


def claim(
    coordinator: Coordinator,
    ids: Mapping[int, str],
    opened: OpenTransaction,
    *,
    is_whole: bool,
    now: Now,
) -> Claim:
    """What becomes of one open transaction. A change is written before the next one is claimed.

    Args:
        ids: from ids_of_producers.
        is_whole: whether the state log has lost nothing that was ever durable.
    """
    name = ids.get(opened.producer_id)
    if name is not None:
        ending = coordinator.endings.get(name)
        if ending is not None and not _is_later(opened, ending.prepare):
            ending.also(opened.partition)
            return Decided(name)
        known = coordinator.state.transactions[name]
        if known.state is ONGOING and known.producer_epoch == opened.producer_epoch:
            if opened.partition in known.partitions:
                return GoesOn()
            after = extended(known, (opened.partition,), known.client_version, now)
            return GoesOn(Change(name, after))
    if not is_whole:
        return Held()
    marker = Marker(opened.producer_id, opened.producer_epoch, False, COORDINATOR_EPOCH)
    return Abandoned(marker)


def _is_later(opened: OpenTransaction, prepare: Transaction) -> bool:
    """Whether it has begun behind the markers of what is decided, and so is no part of that.

    1. T1 ends: Prepare* is durable, so are its markers; Complete* and that T2 is Ongoing are
    written  2. the first batch of T2 is appended  3. the power goes: of what was not flushed
    that batch is left, and Prepare* is the last that the state log holds  4. ended as T1 was
    decided, T2 would be committed before anybody has asked. The epoch tells, where T1 has bumped
    it; where not, such a batch is not appended before its record is durable (has_own_epoch).
    """
    has_bumped = prepare.client_version > 0
    return opened.producer_epoch >= prepare.producer_epoch + (not has_bumped)
