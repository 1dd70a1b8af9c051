"""The fold of a journal: batches come and go, floors rise, and nothing is said twice."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.client.session.entries import (
    Confirmation,
    Confirmed,
    Cut,
    Entry,
    Identity,
    Refused,
    Restamped,
    Settled,
    Split,
    Taken,
)
from minibroker.client.session.journal_state import EntryRefused, JournalState
from minibroker.client.session.open_batch import Floor

from tests.support.sessions.journaled import (
    PRODUCER_ID,
    TOPIC_ID,
    DrawnSession,
    batch,
    begun,
    facts,
    state_of,
)

KEY = ("orders", 0, PRODUCER_ID)
THREE = Cut({}, (batch(0, 0, 2), batch(1, 2, 3), batch(2, 5)))


def floor_of(state: JournalState) -> Floor:
    return state.floors[KEY]


def confirmed(number: int, offset: int = -1) -> list[Entry]:
    return [Confirmed((Confirmation(number, offset, 4),))]


def test_a_cut_stores_marks_and_batches() -> None:
    state = state_of(
        [*begun(), Cut({"file": 17, None: "x"}, THREE.batches)], [Cut({"file": 18}, ())]
    )
    assert state.marks == {"file": 18, None: "x"}
    assert [*state.open] == [0, 1, 2]
    assert (floor_of(state).last_sequence, floor_of(state).offset) == (5, 100)
    assert state.next_number == 3


def test_a_floor_rises_behind_the_oldest_open_batch_only() -> None:
    state = state_of([*begun(), THREE], confirmed(1, 202))
    assert (floor_of(state).offset, floor_of(state).confirmed_sequence) == (100, 4)
    for entry in confirmed(0, 200):
        state.apply(entry)
    assert (floor_of(state).offset, floor_of(state).confirmed_sequence) == (202, 4)
    assert floor_of(state).leader_epoch == 4


def test_a_batch_that_is_confirmed_below_the_floor_was_stored_in_another_log() -> None:
    state = state_of([*begun(), THREE], confirmed(1, 7))
    assert (floor_of(state).offset, floor_of(state).leader_epoch) == (0, -1)
    for entry in confirmed(0, 5):
        state.apply(entry)
    assert (floor_of(state).offset, floor_of(state).leader_epoch) == (7, 4)


def test_a_confirmation_without_an_offset_leaves_the_floor_where_it_is() -> None:
    state = state_of([*begun(), THREE], confirmed(0))
    assert (floor_of(state).offset, floor_of(state).confirmed_sequence) == (100, 1)


@pytest.mark.parametrize(
    "entry",
    [
        Cut({}, (batch(3, 5),)),  # a sequence that another batch has
        Cut({}, (batch(3, 7),)),  # a gap
        Cut({}, (batch(3, 1, epoch=1),)),  # a new epoch begins at 0
        Cut({}, (batch(2, 6),)),  # a number that another batch has
        Restamped(0, PRODUCER_ID, 0, 0, b""),
        Restamped(0, 8, 0, 0, b""),  # an identity that was not journaled
        Confirmed((Confirmation(7),)),
        Refused(7, 10, ""),
        Settled(7, True),
        Taken((0,)),
        Split(1, (batch(3, 2, 2),)),  # a record is missing
        Split(1, (batch(3, 2, 2), batch(3, 4, 1))),  # twice the same number
        Split(1, (batch(3, 2, 2, epoch=1), batch(4, 4, 1))),
        Floor("orders", 0, 8, 0, 0),
        JournalState().snapshot(),
    ],
)
def test_what_cannot_follow_is_refused(entry: Entry) -> None:
    state = state_of([*begun(), THREE])
    with pytest.raises(EntryRefused):
        state.apply(entry)


def test_a_batch_without_a_floor_is_refused() -> None:
    with pytest.raises(EntryRefused, match="has no floor"):
        state_of([Identity(PRODUCER_ID, 0), THREE])


def test_restamped_batches_keep_their_places() -> None:
    again = [Restamped(n, PRODUCER_ID, 1, first, b"new") for n, first in ((1, 0), (2, 3))]
    state = state_of([*begun(), THREE], confirmed(0, 100), [*again])
    assert [(each.number, each.base_sequence) for each in state.open.values()] == [(1, 0), (2, 3)]
    assert (floor_of(state).producer_epoch, floor_of(state).last_sequence) == (1, 3)
    assert floor_of(state).confirmed_sequence == -1, "of this epoch"


def test_pieces_take_the_place_of_the_whole() -> None:
    pieces = (batch(3, 2), batch(4, 3, 2))
    state = state_of([*begun(), THREE], [Split(1, pieces)], confirmed(0, 100), confirmed(3, 102))
    assert [*state.open] == [4, 2]
    assert floor_of(state).offset == 103
    state.apply(Confirmed((Confirmation(2, 105, 4),)))
    assert floor_of(state).offset == 103, "batch 4 is older"


def test_refused_batches_stay_until_they_are_taken() -> None:
    state = state_of([*begun(), THREE], [Refused(0, 10, "too large")])
    assert (state.refused[0].code, state.refused[0].message) == (10, "too large")
    assert [*state.open] == [1, 2]
    state.apply(Taken((0,)))
    assert not state.refused


def test_what_people_say_is_kept_until_it_is_done() -> None:
    state = state_of([*begun(), THREE], [Settled(0, True), Settled(1, False)])
    assert ([*state.open], state.absent) == ([1, 2], {1})
    state.apply(Restamped(1, PRODUCER_ID, 1, 0, b""))
    assert not state.absent


def test_an_identity_lives_while_something_is_open_under_it() -> None:
    new: list[Entry] = [Identity(9, 0), Floor("orders", 0, 9, 0, 300, TOPIC_ID)]
    state = state_of([*begun(), THREE], new)
    assert [each.producer_id for each in state.identities] == [PRODUCER_ID, 9]
    for number in range(3):
        state.apply(Confirmed((Confirmation(number),)))
    assert [each.producer_id for each in state.identities] == [9]
    assert [*state.floors] == [("orders", 0, 9)]


def test_the_newest_identity_stays_with_nothing_open() -> None:
    state = state_of([*begun(), THREE], confirmed(0), confirmed(1), confirmed(2))
    assert [*state.floors] == [KEY]
    assert state.live_bytes == 0


def test_a_raised_epoch_is_one_identity() -> None:
    state = state_of([Identity(7, 0, "id"), Identity(7, 1, "id")])
    assert state.identities == [Identity(7, 1, "id")]


@pytest.mark.parametrize("seed", range(20))
def test_a_snapshot_is_the_state(seed: int) -> None:
    random, state = Random(seed), JournalState()
    drawn = DrawnSession(random, state)
    for _ in range(100):
        for entry in drawn.group():
            state.apply(entry)
    assert facts(state_of([state.snapshot()])) == facts(state)
    # And it goes on as the state does: what is counted by hand is counted the same.
    again = state_of([state.snapshot()])
    for number in [*state.open]:
        state.apply(Confirmed((Confirmation(number, 3),)))
        again.apply(Confirmed((Confirmation(number, 3),)))
    assert facts(again) == facts(state)
