"""The table of broker/groups/states.py is what groups do: every request is asked in every state."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from minibroker.broker.groups.members import Joined
from minibroker.broker.groups.requests import Speaker
from minibroker.broker.groups.states import (
    ANSWERS,
    COMPLETING,
    DEAD,
    EMPTY,
    NEXT,
    PREPARING,
    STABLE,
    Ask,
    GroupState,
    Then,
)
from minibroker.broker.waiting.long_work import finished
from minibroker.protocol.errors import ApiError, ErrorCode

from tests.support.groups.bare_groups import GROUP, Groups, speaker


class Case(NamedTuple):
    """A group in a state, and a member that it has or had."""

    groups: Groups
    member: Joined


def in_state(state: GroupState) -> Case:
    """A group that has got there by requests."""
    groups = Groups()
    member = groups.stable()
    coordinator = groups.coordinator
    if state is PREPARING:
        groups.join()
    elif state is COMPLETING:
        waiting = groups.join(member.member_id)
        member = waiting[0]
    elif state in (EMPTY, DEAD):
        coordinator.leave(GROUP, [(member.member_id, None)])
    if state is DEAD:
        assert finished(coordinator.roster.delete(GROUP)) is ErrorCode.NONE
    assert coordinator.roster.state_of(GROUP) is state
    return Case(groups, member)


def with_given_id(groups: Groups) -> Joined:
    """Somebody who was told an id to join with; of a group that is not there, never."""
    if groups.coordinator.roster.find(GROUP) is None:
        return Joined(ErrorCode.MEMBER_ID_REQUIRED, "of nobody")
    return groups.join(gets_id_first=True)[0]


def answer_to(ask: Ask, case: Case) -> ErrorCode | None:
    """What a right request is answered; None while it waits."""
    groups, member = case
    coordinator = groups.coordinator
    if ask in (Ask.JOIN_GIVEN, Ask.LEAVE_GIVEN):
        given = with_given_id(groups)
        if ask is Ask.LEAVE_GIVEN:
            return coordinator.leave(GROUP, [(given.member_id, None)])[0]
        joins = groups.join(given.member_id)
        return joins[0].code if joins else None
    if ask in (Ask.JOIN_NEW, Ask.JOIN_KNOWN):
        joins = groups.join("" if ask is Ask.JOIN_NEW else member.member_id)
        return joins[0].code if joins else None
    if ask is Ask.SYNC:
        leader = coordinator.roster.find(GROUP)
        if leader is not None:
            leader.leader = "somebody else"  # or the sync would be its own end
        syncs = groups.sync(member)
        return syncs[0].code if syncs else None
    if ask is Ask.HEARTBEAT:
        return coordinator.heartbeat(speaker(member))
    if ask is Ask.LEAVE:
        return coordinator.leave(GROUP, [(member.member_id, None)])[0]
    if ask is Ask.COMMIT:
        return coordinator.offsets.check_commit(speaker(member), knows_missing=False)
    if ask is Ask.COMMIT_ALONE:
        return coordinator.offsets.check_commit(Speaker(GROUP, -1, "", None), knows_missing=False)
    if ask is Ask.COMMIT_IN_TRANSACTION:
        return coordinator.offsets_in_transactions.check_commit(speaker(member))
    if ask is Ask.COMMIT_IN_TRANSACTION_ALONE:
        nobody = Speaker(GROUP, -1, "", None)
        return coordinator.offsets_in_transactions.check_commit(nobody)
    if ask is Ask.DELETE:
        code: ErrorCode = finished(coordinator.roster.delete(GROUP))
        return code
    try:
        return coordinator.offsets.delete(GROUP, [("other", 0)])[0]
    except ApiError as error:
        return error.code


@pytest.mark.parametrize("state", GroupState)
@pytest.mark.parametrize("ask", Ask)
def test_every_state_answers_every_request_as_the_table_says(state: GroupState, ask: Ask) -> None:
    expected = ANSWERS[state, ask]
    case = in_state(state)
    answered = answer_to(ask, case)
    after = case.groups.coordinator.roster.state_of(GROUP)
    if isinstance(expected, ErrorCode):
        assert answered is expected
        assert after is state
    elif expected is Then.CREATE:
        assert (answered, after) in ((None, PREPARING), (ErrorCode.NONE, DEAD))
    elif expected is Then.ADD:
        assert (answered, after) == (None, PREPARING)
    elif expected is Then.PARK:
        assert answered is None if state is COMPLETING else answered in (None, ErrorCode.NONE)
    elif expected is Then.REBALANCE:
        assert answered is ErrorCode.NONE
        assert after in (PREPARING, EMPTY)
    elif expected is Then.ALSO_IF_LEADER:
        assert (answered, after) == (ErrorCode.NONE, COMPLETING)  # all of one have joined
    else:
        assert answered is ErrorCode.NONE


def test_no_state_is_entered_but_from_where_the_table_allows() -> None:
    assert set(NEXT) == set(GroupState)
    assert {state for state in GroupState if PREPARING in NEXT[state]} == {
        EMPTY,
        COMPLETING,
        STABLE,
    }
    assert not NEXT[DEAD]
    for state in set(GroupState) - {DEAD}:
        assert DEAD in NEXT[state]


def test_a_follower_in_a_stable_group_hears_the_same_again() -> None:
    groups = Groups()
    leader = groups.stable()
    waiting = groups.join()
    again = groups.join(leader.member_id)
    follower = waiting[0]
    groups.sync(again[0], {})
    assert groups.join(follower.member_id) == [follower]
    assert groups.coordinator.roster.state_of(GROUP) is STABLE


@pytest.mark.parametrize("state", [STABLE, COMPLETING])
def test_an_id_that_is_given_back_begins_a_rebalance(state: GroupState) -> None:
    """As in Kafka, though nobody goes: GroupMetadataManager.classicGroupLeaveToClassicGroup."""
    groups, _ = in_state(state)
    given = groups.join(gets_id_first=True)[0]
    assert groups.coordinator.leave(GROUP, [(given.member_id, None)]) == [ErrorCode.NONE]
    assert groups.coordinator.roster.state_of(GROUP) is PREPARING
