"""The states of a group, the ways between them, and what each answers to every request.

    Empty -> PreparingRebalance -> CompletingRebalance -> Stable -> PreparingRebalance ...
    PreparingRebalance -> Empty, when everybody has left;  any -> Dead, when it is deleted

Dead is also what a group is that nobody has heard of. ANSWERS holds the answer of each state to a
request that is otherwise right: known member, right generation, fitting protocols. What is wrong
with the request itself is found before (coordinator.py, committed.py). Not in the table, as every
state answers them alike: ListGroups and DescribeGroups, which tell the state, and OffsetFetch.
Source: ClassicGroupState, ClassicGroup and GroupMetadataManager of Kafka.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from ...protocol.errors import ErrorCode


class GroupState(Enum):
    """A group's state, with the name that DescribeGroups gives it."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


EMPTY, PREPARING, COMPLETING, STABLE, DEAD = GroupState
NEXT: Mapping[GroupState, frozenset[GroupState]] = MappingProxyType(
    {
        EMPTY: frozenset((PREPARING, DEAD)),
        PREPARING: frozenset((COMPLETING, EMPTY, DEAD)),
        COMPLETING: frozenset((STABLE, PREPARING, DEAD)),
        STABLE: frozenset((PREPARING, DEAD)),
        DEAD: frozenset(),
    }
)


class Ask(Enum):
    """What can be asked of a group."""

    JOIN_NEW = auto()  # without a member id
    JOIN_GIVEN = auto()  # with an id that was given out and not joined with yet
    JOIN_KNOWN = auto()
    SYNC = auto()
    HEARTBEAT = auto()
    LEAVE = auto()
    LEAVE_GIVEN = auto()  # an id that was given out and not joined with yet
    COMMIT = auto()  # by a member
    COMMIT_ALONE = auto()  # generation -1 and no member id: for nobody in particular
    COMMIT_IN_TRANSACTION = auto()  # by a member
    COMMIT_IN_TRANSACTION_ALONE = auto()
    DELETE = auto()
    DELETE_OFFSETS = auto()


class Then(Enum):
    """What a state does where it does not refuse."""

    CREATE = auto()  # the group comes into being, if there is room, and does as an Empty one
    ADD = auto()  # the member is added and a rebalance begins, or it is told an id to join with
    PARK = auto()  # answered when everybody has joined, or when the leader has assigned
    REPEAT_OR_REBALANCE = auto()  # the answer again; a rebalance if what the member offers changed
    ALSO_IF_LEADER = auto()  # the same, but a leader always begins a rebalance
    REBALANCE = auto()  # yes, at once, and a rebalance begins
    UNLESS_PENDING = auto()  # yes, unless a transaction has offsets pending there
    UNLESS_CONSUMED = auto()  # yes, for topics no member subscribes to; no if that is not known
    ANSWER = auto()  # yes, at once


_UNKNOWN, _REBALANCE = ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.REBALANCE_IN_PROGRESS
_NON_EMPTY, _NOT_FOUND = ErrorCode.NON_EMPTY_GROUP, ErrorCode.GROUP_ID_NOT_FOUND
_SINCE_V9_NOT_FOUND = ErrorCode.ILLEGAL_GENERATION  # OffsetCommit v9 says 69 instead

Answer = ErrorCode | Then
_COLUMNS = (EMPTY, PREPARING, COMPLETING, STABLE, DEAD)
_ROWS: Mapping[Ask, tuple[Answer, ...]] = {
    Ask.JOIN_NEW: (Then.ADD, Then.ADD, Then.ADD, Then.ADD, Then.CREATE),
    Ask.JOIN_GIVEN: (Then.ADD, Then.ADD, Then.ADD, Then.ADD, _UNKNOWN),
    Ask.JOIN_KNOWN: (_UNKNOWN, Then.PARK, Then.REPEAT_OR_REBALANCE, Then.ALSO_IF_LEADER, _UNKNOWN),
    Ask.SYNC: (_UNKNOWN, _REBALANCE, Then.PARK, Then.ANSWER, _UNKNOWN),
    Ask.HEARTBEAT: (_UNKNOWN, _REBALANCE, Then.ANSWER, Then.ANSWER, _UNKNOWN),
    Ask.LEAVE: (_UNKNOWN, Then.ANSWER, Then.REBALANCE, Then.REBALANCE, _UNKNOWN),
    Ask.LEAVE_GIVEN: (Then.ANSWER, Then.ANSWER, Then.REBALANCE, Then.REBALANCE, _UNKNOWN),
    Ask.COMMIT: (_UNKNOWN, Then.ANSWER, _REBALANCE, Then.ANSWER, _SINCE_V9_NOT_FOUND),
    Ask.COMMIT_ALONE: (Then.ANSWER, _UNKNOWN, _UNKNOWN, _UNKNOWN, Then.CREATE),
    # A transaction commits what a member of this generation has read; to join again would not help.
    Ask.COMMIT_IN_TRANSACTION: (
        *(_UNKNOWN, Then.ANSWER, Then.ANSWER, Then.ANSWER),
        ErrorCode.ILLEGAL_GENERATION,
    ),
    # Clients of before KIP-447 do not say who they are, in whatever state their group is.
    Ask.COMMIT_IN_TRANSACTION_ALONE: (*[Then.ANSWER] * 4, Then.CREATE),
    Ask.DELETE: (Then.UNLESS_PENDING, _NON_EMPTY, _NON_EMPTY, _NON_EMPTY, _NOT_FOUND),
    Ask.DELETE_OFFSETS: (
        Then.ANSWER,
        Then.UNLESS_CONSUMED,
        Then.UNLESS_CONSUMED,
        Then.UNLESS_CONSUMED,
        _NOT_FOUND,
    ),
}
ANSWERS: Mapping[tuple[GroupState, Ask], Answer] = MappingProxyType(
    {
        (state, ask): answer
        for ask, row in _ROWS.items()
        for state, answer in zip(_COLUMNS, row, strict=True)
    }
)


def code_of(answer: Answer) -> ErrorCode:
    """The code of a refusal; NONE for what is not refused."""
    return answer if isinstance(answer, ErrorCode) else ErrorCode.NONE
