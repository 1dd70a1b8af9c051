"""The order in which a transaction ends, what is answered meanwhile, and a crash at every step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from minibroker.broker.transactions.coordinator import Coordinator
from minibroker.broker.transactions.ending_requests import end_bumping
from minibroker.broker.transactions.outcomes import Answer, Ends, Postponed
from minibroker.broker.transactions.states import PREPARED

from tests.support.worlds.bare_transactions import ID, A, B, Transactions

P = 100


def held(*, bumps: bool, commit: bool = True) -> Transactions:
    """A transaction of epoch 0 that is decided, and whose marker in A is held."""
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A, client_version=2 if bumps else 0)
    stage.holds = True
    if bumps:
        assert stage.end5(P, 0, commit=commit)[0] == 0
    else:
        assert stage.end(P, 0, commit=commit) == 0
    assert stage.standing() == ("PrepareCommit" if commit else "PrepareAbort")
    return stage


def ending(step: str) -> tuple[Transactions, Coordinator]:
    """A commit by EndTxn v5 of A and B, as far as it has come."""
    stage = Transactions()
    stage.init()
    stage.add(P, 0, A, B)
    coordinator = stage.coordinator
    outcome = end_bumping(coordinator, ID, P, 0, is_commit=True, now=stage.now)
    assert outcome == Ends(ID, Answer(producer_id=P, producer_epoch=1))
    steps: list[tuple[str, Callable[[], object]]] = [
        ("begun", lambda: None),
        ("deciding", lambda: stage.write([coordinator.decide(ID)])),
        ("decided", lambda: coordinator.decided(ID)),
        ("half marked", lambda: coordinator.marked(ID, A)),
        ("marked", lambda: coordinator.marked(ID, B)),
        ("completing", lambda: stage.write([coordinator.complete(ID, stage.now)])),
    ]
    for name, take in steps:
        take()
        if name == step:
            return stage, coordinator
    raise AssertionError(step)


@pytest.mark.parametrize("commit", [True, False])
def test_while_markers_are_held_the_old_clients_requests_are_busy(commit: bool) -> None:
    stage = held(bumps=False, commit=commit)
    assert [stage.end(P, 0, commit=each) for each in (True, False)] == [51, 51]
    assert [stage.end(P, 1, commit=True), stage.end(P, 7, commit=True)] == [90, 90]
    assert stage.end(P + 1, 0, commit=True) == 49
    assert [stage.add(P, each, A) for each in (0, 1)] == [51, 51]
    assert [stage.add(P, each, B, client_version=2) for each in (0, 1)] == [51, 51]
    assert [stage.init(), stage.init(P, 0), stage.init(P + 1, 7)] == [(51, -1, -1)] * 3
    assert [stage.verify(P, each) for each in (0, 1)] == [51, 90]


@pytest.mark.parametrize("commit", [True, False])
def test_while_markers_are_held_the_new_clients_requests_are_busy(commit: bool) -> None:
    stage = held(bumps=True, commit=commit)
    busy = (51, -1, -1)
    for pid, epoch in ((P, 0), (P, 1), (P, 7), (P + 1, 0)):
        assert [stage.end5(pid, epoch, commit=each) for each in (True, False)] == [busy, busy]
        assert [stage.end(pid, epoch, commit=each) for each in (True, False)] == [51, 51]
    assert [stage.add(P, each, A) for each in (0, 1)] == [51, 51]
    assert [stage.add(P, each, B, client_version=2) for each in (0, 1)] == [51, 51]
    assert [stage.init(), stage.init(P, 0), stage.init(P + 1, 7)] == [busy] * 3
    assert [stage.verify(P, each) for each in (0, 1)] == [90, 51]


def test_what_is_decided_neither_times_out_nor_expires() -> None:
    stage = held(bumps=False)
    stage.pass_ms(10**9)
    assert stage.time_out() == []
    assert stage.coordinator.expire([ID], 1, stage.now) == []


def test_nothing_is_decided_before_all_that_was_written_is_durable() -> None:
    stage, coordinator = ending("begun")
    assert stage.standing() == "Ongoing"
    late = coordinator.add(ID, P, 0, [A], client_version=2, now=stage.now)
    assert late == Postponed(ID)
    with pytest.raises(AssertionError):
        coordinator.decided(ID)


def test_no_marker_is_due_before_the_decision_is_durable() -> None:
    for step in ("begun", "deciding"):
        _, coordinator = ending(step)
        with pytest.raises(AssertionError, match="due"):
            coordinator.endings[ID].markers()
        with pytest.raises(AssertionError, match="due"):
            coordinator.marked(ID, A)


def test_a_decision_that_is_not_in_the_log_is_not_durable() -> None:
    _, coordinator = ending("begun")
    coordinator.decide(ID)
    with pytest.raises(AssertionError, match="not written"):
        coordinator.decided(ID)


def test_nothing_is_complete_before_every_marker_is_there() -> None:
    for step in ("begun", "deciding", "decided", "half marked"):
        stage, coordinator = ending(step)
        with pytest.raises(AssertionError, match="not all is marked"):
            coordinator.complete(ID, stage.now)


def test_nobody_is_let_on_before_complete_is_written() -> None:
    stage, coordinator = ending("marked")
    with pytest.raises(AssertionError):
        coordinator.over(ID)
    coordinator.complete(ID, stage.now)
    with pytest.raises(AssertionError, match="not written"):
        coordinator.over(ID)


def test_a_marker_that_found_no_room_stays_due() -> None:
    _, coordinator = ending("half marked")
    assert coordinator.endings[ID].markers().partitions == (B,)
    assert coordinator.marked(ID, B)


def test_a_complete_that_found_no_room_is_written_again() -> None:
    stage, coordinator = ending("marked")
    coordinator.complete(ID, stage.now)
    stage.write([coordinator.complete(ID, stage.now)])
    coordinator.over(ID)
    assert stage.standing() == "CompleteCommit"


def test_a_decision_that_found_no_room_has_not_been_made() -> None:
    stage, coordinator = ending("begun")
    coordinator.decide(ID)
    coordinator.withdraw(ID)
    assert stage.verify(P, 0, B) == 0
    assert stage.end5(P, 0, commit=False) == (0, P, 1)
    assert stage.last_marker() == ("ABORT", P, 1)


@pytest.mark.parametrize("step", ["begun", "deciding", "decided", "half marked", "marked"])
def test_a_crash_leaves_what_was_decided_or_what_was_ongoing(step: str) -> None:
    stage, _ = ending(step)
    stage.holds = True
    stage.restart()
    if step == "begun":
        assert (stage.standing(), stage.coordinator.endings) == ("Ongoing", {})
        assert stage.verify(P, 0, B) == 0
        return
    assert stage.standing() == "PrepareCommit"
    stage.holds = False
    stage.finish(ID)
    marked = [(partition, each.is_commit, each.producer_epoch) for partition, each in stage.markers]
    assert marked == [(A, True, 1), (B, True, 1)]
    assert stage.standing() == "CompleteCommit"
    assert stage.end5(P, 0, commit=True) == (0, P, 1)


def test_a_crash_after_complete_finds_nothing_to_do() -> None:
    stage, _ = ending("completing")
    stage.restart()
    assert stage.markers == []
    assert stage.end5(P, 0, commit=True) == (0, P, 1)


def test_an_ending_without_partitions_is_finished_by_a_start() -> None:
    stage = Transactions()
    stage.init()
    stage.holds = True
    assert stage.end5(P, 0, commit=False) == (0, P, 1)
    assert stage.state.state_of(ID) in PREPARED
    stage.holds = False
    stage.restart()
    assert (stage.standing(), stage.markers) == ("CompleteAbort", [])


def test_a_start_counts_the_time_that_the_wall_clock_says() -> None:
    stage = Transactions()
    stage.init(timeout_ms=1000)
    stage.add(P, 0, A)
    stage.now = stage.now._replace(wall_ms=stage.now.wall_ms + 600, running_ms=9)
    stage.restart()
    stage.pass_ms(400)
    assert stage.time_out() == []
    stage.pass_ms(1)
    assert stage.time_out() == [ID]


def test_a_wall_clock_that_was_set_ends_nothing_while_running() -> None:
    stage = Transactions()
    stage.init(timeout_ms=1000)
    stage.add(P, 0, A)
    stage.now = stage.now._replace(wall_ms=stage.now.wall_ms + 10**12)
    assert stage.time_out() == []
    stage.now = stage.now._replace(wall_ms=0)
    stage.restart()  # it went back while the broker was down
    assert stage.time_out() == []
    stage.pass_ms(1001)
    assert stage.time_out() == [ID]
