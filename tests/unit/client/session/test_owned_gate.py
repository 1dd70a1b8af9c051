"""The gate of a session under a transactional id: no epoch but those that were granted."""

from __future__ import annotations

from minibroker.client.produce.answers import Answer
from minibroker.client.session.entries import Identity, Restamped
from minibroker.client.session.leaving.owned_gate import OwnedSender
from minibroker.protocol.errors import ErrorCode

from tests.support.sessions.gate_play import GAP, PID, STORED_AT_5, Play, stamps
from tests.support.sessions.journal_double import JournalDouble

ID = "importer"


class OwnedPlay(Play):
    """A Play whose session has an owner, the first with epoch 4."""

    kind = OwnedSender
    sender: OwnedSender

    def identify(self, pid: int) -> None:
        before = self.journal.state.identities
        epoch = before[-1].producer_epoch + 1 if before else 4
        self.sender.own(ID, pid, epoch, is_first=True)

    def grant(self, epoch: int) -> None:
        """The coordinator gives another epoch."""
        self.sender.own(ID, PID, epoch, is_first=False)


def test_lanes_begin_with_the_granted_epoch() -> None:
    play = OwnedPlay()
    play.send()
    (call,) = play.drain()
    assert stamps([call]) == [(PID, 4, 0)]
    assert play.journal.state.identities == [Identity(PID, 4, ID)]
    play.grant(5)
    play.send(partition=1)
    (other,) = play.drain()
    assert stamps([other]) == [(PID, 5, 0)]
    play.answer(call, STORED_AT_5)
    play.send()
    assert stamps(play.drain()) == [(PID, 4, 1)], "a lane keeps its epoch"


def test_behind_a_gap_nothing_leaves_before_a_later_epoch_is_granted() -> None:
    play = OwnedPlay()
    play.establish()
    play.send(b"refused")
    (call,) = play.drain()
    play.answer(call, Answer(ErrorCode.INVALID_RECORD))
    play.send(b"behind")
    assert play.drain(1_000) == []
    assert play.sender.wants_grant
    play.send(b"and another")
    assert play.drain(1_000) == []
    play.grant(5)
    assert not play.sender.wants_grant
    calls = play.drain()
    assert stamps(calls) == [(PID, 5, 0)]
    restamped = [each for group in play.journal.groups for each in group][-2:]
    assert [type(each) for each in restamped] == [Restamped, Restamped]
    play.answer(calls[0], STORED_AT_5)
    assert stamps(play.drain()) == [(PID, 5, 1)]


def test_a_later_epoch_that_was_granted_already_is_taken_at_once() -> None:
    play = OwnedPlay()
    play.establish()
    play.grant(5)
    play.send()
    (call,) = play.drain()
    play.answer(call, GAP)
    assert stamps(play.drain(1_000)) == [(PID, 5, 0)]
    assert not play.sender.wants_grant


def test_fenced_it_sends_nothing_more() -> None:
    play = OwnedPlay()
    play.establish()
    play.send()
    (call,) = play.drain()
    play.answer(call, Answer(ErrorCode.INVALID_PRODUCER_EPOCH))
    assert "INVALID_PRODUCER_EPOCH" in play.sender.fenced
    play.send(partition=1)
    assert play.drain(10_000) == []
    assert play.sender.fatal is None, "who has it now is asked for first"


def test_the_next_owner_asks_for_floors_anew_and_keeps_those_of_what_is_open() -> None:
    before = OwnedPlay()
    before.establish(0)
    before.establish(1)
    before.send(partition=1)
    before.drain(1_000)
    play = OwnedPlay(before.journal.survivor())
    (lane,) = play.sender._lanes.values()
    assert lane.floor_group == 0
    play.send(partition=0)
    play.drain(floors=False)
    assert play.sender.wants_floors == {("t", 0)}


def test_what_is_absent_takes_the_granted_epoch_and_a_later_one_for_what_came_meanwhile() -> None:
    before = OwnedPlay()
    before.establish()
    before.send(b"open")
    before.drain()
    journal: JournalDouble = before.journal.survivor()
    play = OwnedPlay(journal)
    play.grant(6)
    play.send(b"new")
    assert play.drain(2_000) == [], "journaled, and no more"
    (open_one,) = play.sender.looking_for(("t", 0))
    play.sender.absent(open_one)
    play.sender.looked(("t", 0))
    assert play.drain() == []
    assert play.sender.wants_grant, "the new one has sequence 0 of epoch 6"
    play.grant(7)
    assert stamps(play.drain()) == [(PID, 7, 0)]
