"""Every state times every request, as Apache Kafka 4.3.1 answers it; the ways between states."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from minibroker.broker.transactions.states import ANSWERS, DURABLE, NEXT, Ask, TransactionState

from tests.support.worlds.bare_transactions import A, B, Transactions

STATES = [
    *("Empty", "Ongoing", "PrepareCommit", "PrepareAbort"),
    *("CompleteCommit", "CompleteAbort", "Dead"),
]
P = 100  # the first producer id
NEVER_ADDED, BUSY, UNKNOWN = 120, 51, 49


def in_state(state: str) -> tuple[Transactions, int]:
    """A stage whose id is in a state, by EndTxn v5 where it has ended, and its present epoch."""
    stage = Transactions()
    if state == "Dead":
        return stage, 0
    stage.init()
    if state == "Empty":
        return stage, 0
    stage.add(P, 0, A)
    if state == "Ongoing":
        return stage, 0
    stage.holds = state.startswith("Prepare")
    stage.end5(P, 0, commit=state.endswith("Commit"))
    return stage, 1


def init(stage: Transactions, epoch: int) -> int:
    return stage.init(timeout_ms=1)[0]


def init_going_on(stage: Transactions, epoch: int) -> int:
    return stage.init(P, epoch)[0]


def add(stage: Transactions, epoch: int) -> int:
    return stage.add(P, epoch, B)


def add_known(stage: Transactions, epoch: int) -> int:
    return stage.add(P, epoch, A)


def verify(stage: Transactions, epoch: int) -> int:
    return stage.verify(P, epoch, A)


def verify_other(stage: Transactions, epoch: int) -> int:
    return stage.verify(P, epoch, B)


def commit(stage: Transactions, epoch: int) -> int:
    return stage.end(P, epoch, commit=True)


def abort(stage: Transactions, epoch: int) -> int:
    return stage.end(P, epoch, commit=False)


def commit5(stage: Transactions, epoch: int) -> int:
    return stage.end5(P, epoch, commit=True)[0]


def abort5(stage: Transactions, epoch: int) -> int:
    return stage.end5(P, epoch, commit=False)[0]


def commit5_again(stage: Transactions, epoch: int) -> int:
    return stage.end5(P, epoch - 1, commit=True)[0]


def abort5_again(stage: Transactions, epoch: int) -> int:
    return stage.end5(P, epoch - 1, commit=False)[0]


# What clients are answered in the states of STATES, with the right producer id.
TABLE: list[tuple[Callable[[Transactions, int], int], tuple[int, ...]]] = [
    (init, (0, 0, BUSY, BUSY, 0, 0, 0)),
    (init_going_on, (0, 0, BUSY, BUSY, 0, 0, 0)),
    (add, (0, 0, BUSY, BUSY, 0, 0, UNKNOWN)),
    (add_known, (0, 0, BUSY, BUSY, 0, 0, UNKNOWN)),
    (verify, (NEVER_ADDED, 0, BUSY, BUSY, NEVER_ADDED, NEVER_ADDED, UNKNOWN)),
    (verify_other, (*[NEVER_ADDED] * 2, BUSY, BUSY, *[NEVER_ADDED] * 2, UNKNOWN)),
    (commit, (48, 0, BUSY, BUSY, 0, 48, UNKNOWN)),
    (abort, (48, 0, BUSY, BUSY, 48, 0, UNKNOWN)),
    (commit5, (48, 0, BUSY, BUSY, 48, 48, UNKNOWN)),
    (abort5, (0, 0, BUSY, BUSY, 0, 0, UNKNOWN)),
    (commit5_again, (90, 90, BUSY, BUSY, 0, 48, UNKNOWN)),
    (abort5_again, (90, 90, BUSY, BUSY, 48, 0, UNKNOWN)),
]
CELLS = [
    pytest.param(ask, state, code, id=f"{ask.__name__}-{state}")
    for ask, codes in TABLE
    for state, code in zip(STATES, codes, strict=True)
]


@pytest.mark.parametrize(("ask", "state", "code"), CELLS)
def test_a_state_answers_a_request(
    ask: Callable[[Transactions, int], int], state: str, code: int
) -> None:
    stage, epoch = in_state(state)
    if state != "Dead":
        assert stage.standing() == state
    assert ask(stage, epoch) == code


@pytest.mark.parametrize("state", STATES)
def test_only_a_yes_changes_anything(state: str) -> None:
    for ask, _ in TABLE:
        stage, epoch = in_state(state)
        written = len(stage.written)
        if ask(stage, epoch) != 0:
            assert len(stage.written) == written, ask.__name__


@pytest.mark.parametrize("state", STATES)
def test_time_ends_what_is_ongoing_and_forgets_what_is_idle(state: str) -> None:
    stage, _ = in_state(state)
    stage.pass_ms(60_001)
    assert stage.time_out() == (["id"] if state == "Ongoing" else [])
    stage, _ = in_state(state)
    stage.pass_ms(1000)
    removals = stage.coordinator.expire(["id"], 1000, stage.now)
    idle = state in ("Empty", "CompleteCommit", "CompleteAbort")
    assert [each.transactional_id for each in removals] == (["id"] if idle else [])
    assert stage.coordinator.expire(["id"], 1001, stage.now) == []


def test_the_table_is_whole() -> None:
    asked = {*DURABLE, TransactionState.DEAD}
    assert set(ANSWERS) == {(state, ask) for state in asked for ask in Ask}
    assert set(NEXT) == asked
    assert {after for each in NEXT.values() for after in each} == asked


def test_names_are_those_of_kafka() -> None:
    assert [each.kafka_name for each in TransactionState] == [*STATES, "PrepareEpochFence"]
