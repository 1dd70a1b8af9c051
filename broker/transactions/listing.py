"""What DescribeTransactions and ListTransactions tell of the transactional ids.

Source: TransactionCoordinator.handleDescribeTransactions, TransactionStateManager.
listTransactionStates of Kafka; KIP-664, KIP-994, KIP-1152.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from .coordinator import Coordinator
from .fold import TransactionsState
from .states import TransactionState
from .transaction import Transaction

IDS_A_STEP: Final = 200
STATES_BY_NAME: Final = {each.kafka_name: each for each in TransactionState}


def unknown_states(names: Iterable[str]) -> list[str]:
    """Those that are no state; case counts."""
    return [name for name in names if name not in STATES_BY_NAME]


def listed(
    state: TransactionsState,
    *,
    state_names: Iterable[str],
    producer_ids: Iterable[int],
    open_ms: int,
    matches: Callable[[str], bool] | None,
    now_ms: int,
) -> Iterator[tuple[str, Transaction] | None]:
    """The ids that pass every filter, as they are when it is their turn; changes may come between.

    None every IDS_A_STEP that were looked at, for others to go on.

    Args:
        state_names, producer_ids: no filter where there is none.
        open_ms: since the last transaction began, at least; an id that never had one passes. Up to
            0: no filter.
        matches: whether the whole id fits the pattern.
        now_ms: ms since 1970.
    """
    names, ids = set(state_names), set(producer_ids)
    for number, name in enumerate([*state.transactions], 1):
        if not number % IDS_A_STEP:
            yield None
        each = state.transactions.get(name)
        if each is None:
            continue
        if names and each.state.kafka_name not in names:
            continue
        if ids and each.producer_id not in ids:
            continue
        if open_ms > 0 and now_ms - each.start_ms <= open_ms:  # -1: longer than anything
            continue
        if matches is None or matches(name):
            yield name, each


def described_partitions(coordinator: Coordinator, transactional_id: str) -> dict[str, list[int]]:
    """By topic, the partitions of a transaction; of one that is decided, those not marked yet."""
    ending = coordinator.endings.get(transactional_id)
    transaction = coordinator.state.transactions[transactional_id]
    partitions = transaction.partitions if ending is None else sorted(ending.unmarked)
    by_topic: dict[str, list[int]] = {}
    for topic, partition in partitions:
        by_topic.setdefault(topic, []).append(partition)
    return by_topic
