"""Who asks about a transactional id, in which order, and what the state log and time do to it."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.limits import ENDING_RETRY_MS, POSTPONED_MS_MAX
from minibroker.broker.storage.port import NoSpace
from minibroker.broker.transactions.claims import OpenTransaction
from minibroker.broker.transactions.outcomes import Answer
from minibroker.broker.transactions.transaction import BUMPING
from minibroker.broker.waiting.promise import Promise
from minibroker.protocol.errors import ErrorCode

from tests.support.worlds.driven_transactions import ID, A, B, DrivenTransactions

NONE = ErrorCode.NONE


def code(answers: list[Any]) -> ErrorCode:
    """Of the one answer there is."""
    (answer,) = answers
    told: ErrorCode = answer.code
    return told


def prepared(stage: DrivenTransactions) -> int:
    """An ending whose Prepare* waits for its flush; its producer id."""
    pid = stage.producer()
    assert code(stage.add(pid, 0, A, B)) is NONE
    stage.round()
    assert stage.end(pid, 0) == []
    return pid


def test_who_meets_an_ending_waits_and_is_asked_in_the_order_of_coming() -> None:
    stage = DrivenTransactions()
    pid = prepared(stage)
    second, third = stage.init(pid, 0), stage.init()
    stage.round()  # Prepare* is durable, the markers are appended
    assert second == [] == third
    stage.round()  # the markers are durable
    assert (second[0].code, second[0].producer_epoch) == (NONE, 1)
    assert (third[0].code, third[0].producer_epoch) == (NONE, 2)


def test_nobody_waits_longer_than_clients_should() -> None:
    stage = DrivenTransactions()
    pid = prepared(stage)
    waiting = stage.add(pid, 0, A)
    stage.pass_ms(POSTPONED_MS_MAX - 1)
    assert waiting == []
    stage.pass_ms(1)
    assert code(waiting) is ErrorCode.CONCURRENT_TRANSACTIONS
    stage.round()
    stage.round()
    assert len(waiting) == 1
    assert code(stage.add(pid, 0, A)) is NONE


def test_who_asks_while_others_are_told_does_not_come_before_them() -> None:
    stage = DrivenTransactions()
    pid = prepared(stage)
    order: list[str] = []
    coordinator = stage.transactions.coordinator
    first = stage.transactions.ask(ID, lambda now: coordinator.verify(ID, pid, 0, [A]))
    assert isinstance(first, Promise)
    second = stage.init()

    def asks_on(answer: object) -> None:
        order.append("first")
        third = stage.init()
        assert third == [], "it came before the second"

    first.deliver_to(asks_on)
    stage.round()
    stage.round()
    assert order == ["first"]
    assert second[0].producer_epoch == 1


def test_an_abandoned_request_is_not_decided() -> None:
    stage = DrivenTransactions()
    prepared(stage)
    asked: list[int] = []

    def decide(now: object) -> None:
        asked.append(1)
        raise AssertionError

    stage.init()
    waiting = stage.transactions.ask(ID, decide)  # type: ignore[arg-type]
    assert isinstance(waiting, Promise)
    assert waiting.on_abandoned is not None
    waiting.on_abandoned()
    stage.round()
    stage.round()
    assert asked == []


def test_a_log_that_cannot_be_written_is_told_and_nothing_has_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = DrivenTransactions()
    pid = stage.producer()
    stage.add(pid, 0, A)
    stage.round()

    def full(*_: object) -> None:
        raise NoSpace("__transaction_state-0", "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(stage.ledger.log, "commit", full)
        assert code(stage.add(pid, 0, B)) is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert code(stage.end(pid, 0)) is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert code(stage.init()) is ErrorCode.COORDINATOR_NOT_AVAILABLE  # would fence
    assert stage.standing == "Ongoing"
    assert stage.ledger.state.transactions[ID].partitions == (A,)
    assert not stage.partitions[A].closed, "it would take nothing more"
    ended = stage.end(pid, 0)
    stage.round()
    assert code(ended) is NONE


def test_before_a_start_has_been_taken_up_everybody_is_told_to_wait() -> None:
    stage = DrivenTransactions()
    stage.transactions._is_begun = False
    assert code(stage.init()) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


def test_a_late_transaction_is_aborted_by_the_running_clock() -> None:
    stage = DrivenTransactions()
    pid = stage.producer()
    stage.add(pid, 0, A)
    stage.round()
    stage.clock.set_by_ms = 10**9  # a wall clock that was set ends nothing
    stage.pass_ms(59_999)
    assert stage.standing == "Ongoing"
    stage.pass_ms(10_001)  # the sweep comes by every ten seconds
    stage.round()
    stage.round()
    assert stage.standing == "CompleteAbort"
    assert [(each.is_commit, each.producer_epoch) for each in stage.partitions[A].markers] == [
        (False, 1)
    ]


def test_an_idle_id_is_forgotten_and_an_open_one_is_not() -> None:
    stage = DrivenTransactions(
        transactional_id_expiration_ms=4000,
        transaction_remove_expired_transaction_cleanup_interval_ms=1000,
    )
    stage.producer()
    stage.pass_ms(3999)
    assert ID in stage.ledger.state.transactions
    stage.pass_ms(1001)
    assert ID not in stage.ledger.state.transactions
    pid = stage.producer()
    stage.add(pid, 0, A)
    stage.pass_ms(20_000)
    assert stage.standing == "Ongoing"


def test_a_deleted_topic_gets_no_marker_under_its_name() -> None:
    stage = DrivenTransactions()
    pid = stage.producer()
    stage.add(pid, 0, A, B)
    stage.round()
    for _ in stage.transactions.forget_topics(["t"]):
        pass
    assert stage.ledger.state.transactions[ID].partitions == ()
    ended = stage.end(pid, 0)
    stage.round()
    stage.round()
    assert code(ended) is NONE
    assert stage.standing == "CompleteCommit"
    assert stage.partitions[A].markers == []


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_topic_deleted_while_a_transaction_ends(rounds: int) -> None:
    stage = DrivenTransactions()
    pid = stage.producer()
    stage.add(pid, 0, A, B)
    stage.round()
    for each in stage.partitions.values():
        each.is_unflushed, each.is_full = True, True
    ended = stage.end(pid, 0)
    for _ in range(rounds):
        stage.round()  # 1: decided, and no marker finds room
    for _ in stage.transactions.forget_topics(["t"]):
        pass
    for _ in range(3):
        stage.round()
    assert code(ended) is NONE
    assert stage.standing == "CompleteCommit"
    stage.pass_ms(2 * ENDING_RETRY_MS)
    assert stage.partitions[A].markers == []


def test_a_start_forgets_partitions_that_are_no_more() -> None:
    stage = DrivenTransactions()
    pid = stage.producer()
    stage.add(pid, 0, A, B)
    stage.round()
    del stage.partitions[B]
    stage.restart([OpenTransaction(A, pid, 0)])
    assert stage.ledger.state.transactions[ID].partitions == (A,)


def test_a_start_takes_up_what_it_finds() -> None:
    stage = DrivenTransactions()
    pid = stage.producer()
    stage.add(pid, 0, A)
    stage.round()
    lost = OpenTransaction(B, pid, 0)  # its record is not in the log, or is lost
    assert stage.restart([OpenTransaction(A, pid, 0), lost]) == []
    assert stage.ledger.state.transactions[ID].partitions == (A, B)
    unknown = OpenTransaction(A, 9999, 3)
    assert stage.restart([unknown], is_whole=False) == [unknown]
    assert stage.partitions[A].markers == []
    assert stage.restart([unknown]) == []
    assert [(m.producer_id, m.is_commit) for m in stage.partitions[A].markers] == [(9999, False)]


def test_the_next_transaction_of_one_epoch_writes_nothing_before_it_is_on_record() -> None:
    """Else a power loss could leave its batch behind the decision about the one before."""
    stage = DrivenTransactions()
    pid = stage.producer()

    def implied() -> list[Answer]:
        coordinator = stage.transactions.coordinator
        return stage.ask(
            lambda now: coordinator.add(ID, pid, 0, [A], client_version=BUMPING, now=now)
        )

    def verified() -> list[Answer]:
        return stage.ask(lambda now: stage.transactions.coordinator.verify(ID, pid, 0, [A]))

    assert code(implied()) is NONE, "its epoch is its own"
    stage.round()
    stage.end(pid, 0)  # v4: the next one has the same epoch
    stage.round()
    stage.round()
    first, second = implied(), verified()
    assert first == [] == second
    stage.round()
    assert code(first) is NONE
    assert second[0].by_partition == {A: NONE}
    assert code(implied()) is NONE, "it is on record"
