"""EndTxn of old and new clients: the answers of Apache Kafka 4.3.1."""

from __future__ import annotations

import pytest

from tests.support.worlds.bare_transactions import ID, A, B, Transactions

P, NEW = 100, 101
REFUSED = (48, -1, -1)


@pytest.fixture
def stage() -> Transactions:
    """One new id: its epoch is 0."""
    made = Transactions()
    made.init()
    return made


@pytest.mark.parametrize("commit", [True, False])
def test_an_old_client_ends_what_it_has_begun(stage: Transactions, commit: bool) -> None:
    assert stage.end(P, 0, commit=commit) == 48
    stage.add(P, 0, A, B)
    assert stage.end(P, 0, commit=commit) == 0
    kind = "COMMIT" if commit else "ABORT"
    assert stage.last_marker() == (kind, P, 0)
    assert [partition for partition, _ in stage.markers] == [A, B]
    assert stage.end(P, 0, commit=commit) == 0  # a retry
    assert stage.end(P, 0, commit=not commit) == 48
    assert len(stage.markers) == 2


@pytest.mark.parametrize(
    ("name", "pid", "epoch", "code"),
    [
        *((ID, P, 0, 90), (ID, P, 2, 90), (ID, P, -1, 90)),
        *((ID, P + 1, 1, 49), ("nobody", P, 1, 49), ("", P, 1, 42)),
    ],
)
@pytest.mark.parametrize("is_ongoing", [True, False])
def test_nobody_else_ends_a_transaction(
    stage: Transactions, name: str, pid: int, epoch: int, code: int, is_ongoing: bool
) -> None:
    stage.init()
    if is_ongoing:
        stage.add(P, 1, A)
    for commit in (True, False):
        assert stage.end(pid, epoch, commit=commit, name=name) == code
        assert stage.end5(pid, epoch, commit=commit, name=name) == (code, -1, -1)
    if is_ongoing:
        assert stage.end(P, 1, commit=True) == 0


def test_a_new_client_may_abort_what_it_has_not_begun(stage: Transactions) -> None:
    assert stage.end5(P, 0, commit=True) == REFUSED
    assert stage.end5(P, 0, commit=False) == (0, P, 1)
    assert (stage.standing(), stage.markers) == ("CompleteAbort", [])
    assert stage.end5(P, 0, commit=False) == (0, P, 1)  # a retry
    assert stage.end5(P, 0, commit=True) == REFUSED
    assert stage.end5(P, 1, commit=True) == REFUSED
    assert stage.end5(P, 1, commit=False) == (0, P, 2)


def test_a_new_client_gets_the_next_epoch_with_each_ending(stage: Transactions) -> None:
    stage.add(P, 0, A, client_version=2)
    assert stage.end5(P, 0, commit=True) == (0, P, 1)
    assert stage.last_marker() == ("COMMIT", P, 1)
    assert [stage.end5(P, 0, commit=True) for _ in range(2)] == [(0, P, 1)] * 2
    assert stage.end5(P, 0, commit=False) == REFUSED
    assert stage.end5(P, 1, commit=True) == REFUSED
    assert stage.end5(P, 1, commit=False) == (0, P, 2)
    assert stage.init() == (0, P, 3)
    assert [stage.end5(P, 2, commit=each)[0] for each in (True, False)] == [90, 90]
    assert stage.end5(P, 0, commit=True)[0] == 90
    assert stage.end5(P, 9, commit=True)[0] == 90


def test_an_ongoing_transaction_is_not_ended_by_the_epoch_before(stage: Transactions) -> None:
    stage.init()
    stage.add(P, 1, A, client_version=2)
    assert [stage.end5(P, 0, commit=each)[0] for each in (True, False)] == [90, 90]
    assert stage.end5(P, 1, commit=True) == (0, P, 2)


def test_the_version_of_the_request_decides(stage: Transactions) -> None:
    stage.add(P, 0, A, client_version=2)
    assert stage.end(P, 0, commit=True) == 0
    assert stage.last_marker() == ("COMMIT", P, 0)
    stage.add(P, 0, A)
    assert stage.end5(P, 0, commit=True) == (0, P, 1)
    assert stage.last_marker() == ("COMMIT", P, 1)
    assert stage.end(P, 0, commit=True) == 90
    assert stage.end5(P, 0, commit=True) == (0, P, 1)


@pytest.mark.parametrize("commit", [True, False])
def test_who_was_timed_out_is_not_told_of_the_ending_of_another(commit: bool) -> None:
    """Kafka answers (0, p, 1): the late EndTxn of epoch 0 would be told what epoch 1 has done."""
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A)
    stage.pass_ms(60_001)
    stage.time_out()
    assert stage.init(P, 0) == (0, P, 1)
    stage.add(P, 1, A)
    assert stage.end(P, 1, commit=commit) == 0
    assert stage.end5(P, 0, commit=commit) == (90, -1, -1)


def test_the_last_epochs_of_a_new_client(stage: Transactions) -> None:
    stage.at_epoch(32765)
    pid = stage.state.transactions[ID].producer_id
    stage.add(pid, 32765, A, client_version=2)
    assert stage.end5(pid, 32765, commit=True) == (0, pid, 32766)
    stage.add(pid, 32766, A, client_version=2)
    assert stage.end5(pid, 32766, commit=True) == (0, NEW, 0)
    assert stage.last_marker() == ("COMMIT", pid, 32767)
    assert stage.end5(pid, 32766, commit=True) == (0, NEW, 0)  # a retry
    assert stage.end5(pid, 32766, commit=False) == REFUSED
    assert stage.verify(pid, 32767) == 49
    assert stage.init(pid, 32766) == (0, NEW, 0)
    assert stage.init(NEW, 0) == (0, NEW, 1)


def test_the_last_epoch_of_an_old_client_is_no_retry_of_a_new_one(stage: Transactions) -> None:
    stage.at_epoch(32766)
    pid = stage.state.transactions[ID].producer_id
    stage.add(pid, 32766, A)
    assert stage.end(pid, 32766, commit=True) == 0
    assert stage.end5(pid, 32766, commit=False) == (0, NEW, 0)


def test_at_level_1_a_new_client_is_served_as_at_level_2() -> None:
    stage = Transactions(level=1)
    stage.init()
    assert stage.add(P, 0, A, client_version=2) == 0
    assert stage.end5(P, 0, commit=True) == (0, P, 1)
    assert stage.end5(P, 1, commit=False) == (0, P, 2)


def test_at_level_0_a_new_client_is_told_so_and_the_id_is_not_stuck() -> None:
    """In Kafka every further request on the id is answered 51."""
    stage = Transactions(level=0)
    stage.init()
    assert stage.end5(P, 0, commit=True) == REFUSED
    assert stage.end5(P, 0, commit=False)[0] == 35
    stage.add(P, 0, A)
    assert stage.end5(P, 0, commit=True)[0] == 35
    assert stage.end(P, 0, commit=True) == 0
    assert stage.last_marker() == ("COMMIT", P, 0)


def test_the_answers_outlive_a_restart(stage: Transactions) -> None:
    stage.add(P, 0, A, client_version=2)
    stage.end5(P, 0, commit=True)
    stage.restart()
    assert stage.end5(P, 0, commit=True) == (0, P, 1)
    assert stage.end5(P, 0, commit=False) == REFUSED
    assert stage.verify(P, 0) == 90
    assert stage.add(P, 1, A, client_version=2) == 0
    stage.restart()
    assert stage.standing() == "Ongoing"
    assert stage.verify(P, 1) == 0
    assert stage.init() == (0, P, 3)
    assert stage.last_marker() == ("ABORT", P, 2)
