"""An ending step by step: what has been flushed when, and who is told when."""

from __future__ import annotations

import pytest
from minibroker.broker.limits import ENDING_RETRY_MS
from minibroker.broker.transactions.claims import OpenTransaction
from minibroker.protocol.errors import ErrorCode

from tests.support.worlds.driven_transactions import A, B, DrivenTransactions

NONE = ErrorCode.NONE


def ongoing(stage: DrivenTransactions) -> int:
    """A transaction in both partitions, all of it durable; its producer id."""
    pid = stage.producer()
    stage.add(pid, 0, A, B)
    stage.round()
    return pid


def test_one_flush_lies_between_end_txn_and_its_answer() -> None:
    stage = DrivenTransactions()
    pid = ongoing(stage)
    ended = stage.end5(pid, 0)
    assert stage.standing == "PrepareCommit"
    assert ended == []
    assert stage.partitions[A].markers == [], "a marker before Prepare is durable"
    stage.round()
    assert (ended[0].code, ended[0].producer_id, ended[0].producer_epoch) == (NONE, pid, 1)
    assert [m.producer_epoch for m in stage.partitions[A].markers] == [1]
    assert stage.standing == "PrepareCommit", "Complete before the markers are durable"
    stage.round()
    assert stage.standing == "CompleteCommit"


def test_what_is_not_flushed_is_flushed_before_it_is_decided() -> None:
    stage = DrivenTransactions()
    pid = ongoing(stage)
    stage.partitions[B].is_unflushed = True
    ended = stage.end(pid, 0)
    assert stage.standing == "Ongoing"
    assert stage.partitions[A].closed == {pid}
    stage.round()
    assert stage.standing == "PrepareCommit"
    assert ended == []
    stage.round()
    assert ended[0].code is NONE


@pytest.mark.parametrize("durability", ["page-cache", "memory"])
def test_without_flushes_all_is_done_at_once(durability: str) -> None:
    stage = DrivenTransactions(durability)
    pid = stage.init()[0].producer_id
    stage.add(pid, 0, A, B)
    stage.partitions[A].is_unflushed = True
    assert stage.end(pid, 0, commit=False)[0].code is NONE
    assert stage.standing == "CompleteAbort"
    assert [m.is_commit for m in stage.partitions[B].markers] == [False]
    fenced = stage.init()
    assert fenced[0].producer_epoch == 1


def test_a_marker_without_room_is_tried_again_and_others_are_not_held_up() -> None:
    stage = DrivenTransactions()
    pid = ongoing(stage)
    stage.partitions[A].is_full = True
    ended = stage.end(pid, 0)
    stage.round()
    assert ended == []
    assert len(stage.partitions[B].markers) == 1
    stage.pass_ms(3 * ENDING_RETRY_MS)
    assert ended == []
    assert stage.standing == "PrepareCommit"
    stage.partitions[A].is_full = False
    stage.pass_ms(ENDING_RETRY_MS)
    assert ended[0].code is NONE
    assert [len(each.markers) for each in stage.partitions.values()] == [1, 1]
    stage.round()
    assert stage.standing == "CompleteCommit"


def test_a_failed_flush_is_told_to_who_asked() -> None:
    stage = DrivenTransactions()
    pid = ongoing(stage)
    ended = stage.end(pid, 0)
    stage.group_commit.refuse_all()
    assert ended[0].code is ErrorCode.NOT_COORDINATOR
    assert stage.partitions[A].markers == []


@pytest.mark.parametrize("marked", [(), (A,), (A, B)])
def test_a_start_finishes_a_decision_whatever_markers_are_there(marked: tuple[object, ...]) -> None:
    stage = DrivenTransactions()
    pid = ongoing(stage)
    stage.end5(pid, 0)
    missing = [each for each in (A, B) if each not in marked]
    stage.restart([OpenTransaction(each, pid, 0) for each in missing])
    stage.round()
    assert stage.standing == "CompleteCommit"
    markers = {where: each.markers for where, each in stage.partitions.items()}
    assert {where: len(each) for where, each in markers.items()} == {
        where: int(where in missing) for where in (A, B)
    }
    assert all(
        (m.is_commit, m.producer_epoch) == (True, 1) for each in markers.values() for m in each
    )


def test_what_a_start_finds_decided_takes_nothing_more() -> None:
    stage = DrivenTransactions()
    pid = ongoing(stage)
    stage.end(pid, 0)
    stage.partitions[A].is_full = True
    stage.partitions[A].closed.clear()
    stage.restart([OpenTransaction(A, pid, 0)])
    assert stage.partitions[A].markers == []
    assert stage.partitions[A].closed == {pid}


def test_all_that_end_in_one_round_share_its_flush() -> None:
    stage = DrivenTransactions()
    pid = ongoing(stage)
    ended = stage.end(pid, 0)
    flushed: list[int] = []
    round_ = stage.group_commit.begin()
    flushed.append(len(round_.waiting))
    stage.group_commit.finish(round_)
    assert ended[0].code is NONE
    assert flushed == [1]


def test_partitions_to_which_nobody_has_come_are_not_opened_to_be_closed() -> None:
    """1. a client adds 10,000 partitions  2. it ends  3. the loop opened them all in one go."""
    stage = DrivenTransactions()
    pid = ongoing(stage)
    opened: list[str] = []
    participants = stage.transactions.completion._participants
    participants._partition = lambda topic, number: opened.append(topic)
    participants._opened = lambda topic, number: None
    stage.end(pid, 0)
    assert opened == []
    assert stage.standing == "PrepareCommit"
