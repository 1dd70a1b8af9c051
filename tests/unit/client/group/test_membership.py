"""The tables of membership: every event in every state, every error code of every request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from minibroker.client.config import ConsumerConfig
from minibroker.client.errors import Fatal, Fenced
from minibroker.client.group.assignors import ASSIGNORS, NO_GENERATION, Member, decode_gives_up
from minibroker.client.group.membership import MOVES, NEXT_STEPS, Event, Membership, NextStep, State
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.consumer_protocol import decode_subscription
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from minibroker.protocol.messages.sync_group import SyncGroupResponse

CONFIG = ConsumerConfig(bootstrap_servers=(("h", 1),), group_id="g")
T0 = TopicPartition("t", 0)
E = ErrorCode


def joining(config: ConsumerConfig = CONFIG) -> Membership:
    membership = Membership(config, "g")
    membership.join_request(["t"], [], "test")
    return membership


def joined(code: int = 0, **said: object) -> JoinGroupResponse:
    return JoinGroupResponse(
        error_code=code, generation_id=3, protocol_name="range", leader="m", member_id="m",
        members=said.get("members", []),  # type: ignore[arg-type]
    )  # fmt: skip


def stable() -> Membership:
    membership = joining()
    assert membership.on_join(joined()) is NextStep.DONE
    assert membership.on_sync(SyncGroupResponse(error_code=0, assignment=b"")) is NextStep.DONE
    return membership


def test_every_state_knows_what_losing_and_failing_lead_to() -> None:
    assert set(MOVES) == set(State)
    for state, moves in MOVES.items():
        assert moves[Event.FAIL] is State.FAILED
        assert moves[Event.LOSE] is (State.FAILED if state is State.FAILED else State.OUTSIDE)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_an_event_without_a_row_changes_nothing(state: State, event: Event) -> None:
    membership = Membership(CONFIG, "g")
    membership.state = state
    if event in MOVES[state]:
        membership.move(event)
        assert membership.state is MOVES[state][event]
    else:
        with pytest.raises(KeyError):
            membership.move(event)
        assert membership.state is state


def test_a_new_member_joins_again_with_the_id_it_is_given() -> None:
    membership = joining()
    assert membership.on_join(joined(E.MEMBER_ID_REQUIRED)) is NextStep.REJOIN
    request = membership.join_request(["t"], [], "test")
    assert (request.member_id, membership.generation) == ("m", NO_GENERATION)
    assert [each.name for each in request.protocols] == ["range", "cooperative-sticky"]


def test_the_way_to_reading() -> None:
    membership = joining()
    metadata = membership.join_request  # the leader is told by others' words, its own included
    assert metadata is not None
    words = Membership(CONFIG, "g").join_request(["t"], [T0], "test").protocols[0].metadata
    assert decode_subscription(words).topics == ["t"]
    members = [JoinGroupResponseMember(member_id="m", metadata=words)]
    assert membership.on_join(joined(members=members)) is NextStep.DONE
    assert (membership.state, membership.is_leader, membership.beats) == (
        State.SYNCING, True, True,
    )  # fmt: skip
    request = membership.sync_request({"m": [T0]})
    assert (request.generation_id, request.protocol_name) == (3, "range")
    assert membership.on_sync(SyncGroupResponse(error_code=0, assignment=b"")) is NextStep.DONE
    assert membership.state is State.STABLE


ROWS: Sequence[tuple[str, ErrorCode, State, int]] = [
    ("Heartbeat", E.NONE, State.STABLE, 3),
    ("Heartbeat", E.COORDINATOR_LOAD_IN_PROGRESS, State.STABLE, 3),
    ("Heartbeat", E.NOT_COORDINATOR, State.STABLE, 3),
    ("Heartbeat", E.COORDINATOR_NOT_AVAILABLE, State.STABLE, 3),
    ("Heartbeat", E.REBALANCE_IN_PROGRESS, State.REBALANCING, 3),
    ("Heartbeat", E.ILLEGAL_GENERATION, State.OUTSIDE, NO_GENERATION),
    ("Heartbeat", E.UNKNOWN_MEMBER_ID, State.OUTSIDE, NO_GENERATION),
    ("Heartbeat", E.FENCED_INSTANCE_ID, State.FAILED, 3),
    ("Heartbeat", E.GROUP_AUTHORIZATION_FAILED, State.FAILED, 3),
    ("OffsetCommit", E.REBALANCE_IN_PROGRESS, State.REBALANCING, 3),
    ("OffsetCommit", E.UNKNOWN_MEMBER_ID, State.OUTSIDE, NO_GENERATION),
    ("OffsetCommit", E.OFFSET_METADATA_TOO_LARGE, State.STABLE, 3),
    ("OffsetCommit", E.UNKNOWN_TOPIC_OR_PARTITION, State.STABLE, 3),
    ("OffsetCommit", E.FENCED_INSTANCE_ID, State.FAILED, 3),
]


@pytest.mark.parametrize(("request_name", "code", "state", "generation"), ROWS)
def test_what_a_code_does_to_a_stable_member(
    request_name: str, code: ErrorCode, state: State, generation: int
) -> None:
    membership = stable()
    membership.judge(request_name, code, generation=3)
    assert (membership.state, membership.generation) == (state, generation)
    assert membership.member_id == ("" if code is E.UNKNOWN_MEMBER_ID else "m")


def test_an_answer_to_an_older_generation_changes_nothing() -> None:
    membership = stable()
    assert membership.judge("Heartbeat", E.UNKNOWN_MEMBER_ID, generation=2) is NextStep.NEW_MEMBER
    assert membership.state is State.STABLE


def test_a_heartbeat_answered_while_joining_does_not_disturb_the_join() -> None:
    membership = stable()
    membership.move(Event.REBALANCE)
    membership.join_request(["t"], [], "test")
    assert not membership.beats
    membership.judge("Heartbeat", E.REBALANCE_IN_PROGRESS, generation=3)
    assert membership.on_join(joined()) is NextStep.DONE


def test_an_answer_to_join_after_the_membership_was_lost_is_not_believed() -> None:
    membership = joining()
    membership.lose()
    assert membership.on_join(joined()) is NextStep.REJOIN
    assert (membership.state, membership.generation) == (State.OUTSIDE, NO_GENERATION)


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (E.FENCED_INSTANCE_ID, Fenced, "group_instance_id='i'"),
        (E.INCONSISTENT_GROUP_PROTOCOL, Fatal, "partition_assignment_strategy"),
        (E.INVALID_SESSION_TIMEOUT, Fatal, "session_timeout_ms=45000"),
        (E.GROUP_MAX_SIZE_REACHED, Fatal, "group.max.size"),
        (E.INVALID_GROUP_ID, Fatal, "INVALID_GROUP_ID"),
    ],
)
def test_what_ends_a_membership_says_what_to_do(
    code: ErrorCode, kind: type[Exception], text: str
) -> None:
    config = ConsumerConfig(bootstrap_servers=(("h", 1),), group_id="g", group_instance_id="i")
    membership = joining(config)
    assert membership.on_join(joined(code)) is NextStep.FAIL
    assert isinstance(membership.failure, kind)
    assert text in str(membership.failure)
    assert membership.state is State.FAILED


def test_every_request_is_told_about_every_coordinator_problem() -> None:
    for verdicts in NEXT_STEPS.values():
        assert verdicts[E.NOT_COORDINATOR] is verdicts[E.COORDINATOR_NOT_AVAILABLE] is NextStep.FIND
        assert verdicts[E.COORDINATOR_LOAD_IN_PROGRESS] is NextStep.AGAIN


@pytest.mark.parametrize(("name", "told"), [("cooperative-sticky", ["a"]), ("range", [])])
def test_a_leader_tells_those_who_give_up_and_stay_that_another_round_follows(
    name: str, told: list[str]
) -> None:
    leader = stable()
    leader.assignor = ASSIGNORS[name]
    t1 = TopicPartition("t", 1)
    topics = frozenset("t")
    leader.others = [Member("a", topics, (T0, t1), 3), Member("b", topics), Member("c", topics)]
    request = leader.sync_request({"a": [T0], "b": [], "c": [TopicPartition("t", 2)]})
    words = {each.member_id: each.assignment for each in request.assignments}
    assert [each for each in words if decode_gives_up(words[each])] == told
    for member_id, assignment in words.items():  # also for who comes back owning nothing
        member = joining()
        member.on_join(joined())
        member.on_sync(SyncGroupResponse(error_code=0, assignment=assignment))
        assert member.gives_up is (member_id in told)


def test_leaving_speaks_the_language_of_old_brokers() -> None:
    membership = stable()
    assert membership.leave_request(2, "why").member_id == "m"
    assert [each.member_id for each in membership.leave_request(3, "why").members] == ["m"]
