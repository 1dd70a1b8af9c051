"""What ListTransactions and DescribeTransactions tell, as Apache Kafka 4.3.1 does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from minibroker.broker.transactions.listing import (
    described_partitions,
    listed,
    unknown_states,
)
from minibroker.broker.transactions.states import TransactionState

from tests.support.worlds.bare_transactions import ID, A, B, Transactions


@pytest.fixture
def stage() -> Transactions:
    """One id never used, one that has ended, one that is open for half a minute."""
    made = Transactions()
    for number, name in enumerate(("E2-new", "E2-done", "other")):
        made.init(name=name)
        if name != "E2-new":
            made.add(100 + number, 0, A, name=name)
    made.end(101, 0, commit=True, name="E2-done")
    made.pass_ms(30_000)
    return made


def names(
    stage: Transactions,
    *,
    states: Sequence[str] = (),
    ids: Sequence[int] = (),
    open_ms: int = -1,
    matches: Callable[[str], bool] | None = None,
) -> str:
    found = listed(
        stage.state,
        state_names=states,
        producer_ids=ids,
        open_ms=open_ms,
        matches=matches,
        now_ms=stage.now.wall_ms,
    )
    return " ".join(each[0] for each in found if each is not None)


def test_every_filter_must_hold(stage: Transactions) -> None:
    assert names(stage) == "E2-new E2-done other"
    assert names(stage, states=["Ongoing"]) == "other"
    assert names(stage, states=["ongoing", "Nonsense"]) == ""
    assert names(stage, states=["Empty", "CompleteCommit"]) == "E2-new E2-done"
    assert names(stage, ids=[101, 102]) == "E2-done other"
    assert names(stage, states=["Ongoing"], ids=[101]) == ""
    assert names(stage, matches=lambda name: bool(re.fullmatch("E2.*", name))) == "E2-new E2-done"


def test_an_id_without_a_transaction_is_older_than_every_duration(stage: Transactions) -> None:
    assert names(stage, open_ms=1000) == "E2-new E2-done other"
    assert names(stage, open_ms=60_000) == "E2-new"
    assert names(stage, open_ms=0) == names(stage, open_ms=-1) == "E2-new E2-done other"


def test_states_have_the_eight_names_of_kafka_and_case_counts() -> None:
    known = [each.kafka_name for each in TransactionState]
    assert len(known) == 8
    assert unknown_states([*known, "ongoing", "Nonsense"]) == ["ongoing", "Nonsense"]


def test_a_transaction_is_described_by_what_is_not_marked_yet() -> None:
    stage = Transactions()
    stage.init()
    assert described_partitions(stage.coordinator, ID) == {}
    stage.add(100, 0, A, B)
    assert described_partitions(stage.coordinator, ID) == {"t": [0, 1]}
    stage.holds = True
    stage.end(100, 0, commit=True)
    stage.coordinator.marked(ID, A)
    assert described_partitions(stage.coordinator, ID) == {"t": [1]}
    stage.coordinator.marked(ID, B)
    stage.write([stage.coordinator.complete(ID, stage.now)])
    stage.coordinator.over(ID)
    assert described_partitions(stage.coordinator, ID) == {}
