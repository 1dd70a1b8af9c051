"""One member of a consumer group: what it may do next, and what a coordinator's answers mean.

Sans-IO: answers in, requests and next steps out. The two tables are the whole protocol: MOVES says
which event leads from which state to which, NEXT_STEPS what each error code of each request asks
for; a code in no row ends the membership. Waiting, retrying and calling the application's listener
is for member.py.
Source: AbstractCoordinator.java, ConsumerCoordinator.java; KIP-345 (static members), KIP-394
(member id first), KIP-429 (cooperative rebalancing).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.heartbeat import HeartbeatRequest
from ...protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from ...protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from ...protocol.messages.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)
from ..config import ConsumerConfig
from ..errors import ClientError, Fatal, Fenced, words
from ..figures import ConsumerFigures
from ..partitions import TopicPartition
from .assignors import (
    ASSIGNORS,
    NO_GENERATION,
    Assignor,
    Member,
    decode_gives_up,
    encode_places,
    member_of,
)

PROTOCOL_TYPE = "consumer"
NO_MEMBER_ID = ""
LEAVE_SEVERAL_SINCE = 3


class State(Enum):
    """Named for what the member may do."""

    OUTSIDE = auto()  # join as somebody new
    JOINING = auto()  # wait for the answer to JoinGroup
    SYNCING = auto()  # the generation is known, what to read in it is not
    STABLE = auto()  # read
    REBALANCING = auto()  # give up what must be given up, then join again
    FAILED = auto()  # tell the application


class Event(Enum):
    """What happens to a member."""

    JOIN = auto()
    JOINED = auto()
    SYNCED = auto()
    REBALANCE = auto()
    LOSE = auto()
    FAIL = auto()


ANYWHERE = {Event.LOSE: State.OUTSIDE, Event.FAIL: State.FAILED}
MOVES: dict[State, dict[Event, State]] = {
    State.OUTSIDE: {**ANYWHERE, Event.JOIN: State.JOINING},
    State.JOINING: {
        **ANYWHERE,
        Event.JOINED: State.SYNCING,
        Event.REBALANCE: State.REBALANCING,
    },
    State.SYNCING: {
        **ANYWHERE,
        Event.SYNCED: State.STABLE,
        Event.REBALANCE: State.REBALANCING,
    },
    State.STABLE: {**ANYWHERE, Event.REBALANCE: State.REBALANCING},
    State.REBALANCING: {
        **ANYWHERE,
        Event.JOIN: State.JOINING,
        Event.REBALANCE: State.REBALANCING,
    },
    State.FAILED: {Event.LOSE: State.FAILED, Event.FAIL: State.FAILED},
}


class NextStep(Enum):
    """What an answer asks for."""

    DONE = auto()
    AGAIN = auto()  # ask the same again, after a backoff
    FIND = auto()  # find the coordinator first
    REJOIN = auto()  # the group rebalances; the member still counts
    NEW_GENERATION = auto()  # the group went on without this member; its id is still known
    NEW_MEMBER = auto()  # the group knows this member no more
    FAIL = auto()


EVERYWHERE = {
    ErrorCode.NONE: NextStep.DONE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS: NextStep.AGAIN,
    ErrorCode.COORDINATOR_NOT_AVAILABLE: NextStep.FIND,
    ErrorCode.NOT_COORDINATOR: NextStep.FIND,
    ErrorCode.UNKNOWN_MEMBER_ID: NextStep.NEW_MEMBER,
    ErrorCode.ILLEGAL_GENERATION: NextStep.NEW_GENERATION,
    ErrorCode.REBALANCE_IN_PROGRESS: NextStep.REJOIN,
}
NEXT_STEPS: dict[str, dict[ErrorCode, NextStep]] = {
    "JoinGroup": {**EVERYWHERE, ErrorCode.MEMBER_ID_REQUIRED: NextStep.REJOIN},
    "SyncGroup": EVERYWHERE,
    "Heartbeat": EVERYWHERE,
    "OffsetCommit": {
        **EVERYWHERE,
        ErrorCode.REQUEST_TIMED_OUT: NextStep.FIND,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: NextStep.AGAIN,
        ErrorCode.UNSTABLE_OFFSET_COMMIT: NextStep.AGAIN,
    },
}


class Membership:
    """One consumer's place in one group.

    Attributes:
        state: changed by events only.
        member_id: as the coordinator named it; empty before.
        generation: of the group, as this member last joined it; NO_GENERATION outside.
        assignor: chosen by the group for this generation.
        others: what each member said, the leader's own words included; empty for followers.
        gives_up: under this assignment it, or its predecessor of the same group_instance_id, is to
            give partitions up, and then to join again.
        failure: why the state is FAILED.
        figures: what was counted.
    """

    def __init__(
        self, config: ConsumerConfig, group_id: str, figures: ConsumerFigures | None = None
    ) -> None:
        self.group_id = group_id
        self.figures = ConsumerFigures() if figures is None else figures
        self.state = State.OUTSIDE
        self.member_id = NO_MEMBER_ID
        self.generation = NO_GENERATION
        self.assignor: Assignor | None = None
        self.others: list[Member] = []
        self.gives_up = False
        self.failure: ClientError | None = None
        self._config = config
        self._skips_assigning = False

    @property
    def is_leader(self) -> bool:
        """Whether this member assigns for all."""
        return bool(self.others)

    @property
    def assigns(self) -> bool:
        """Whether the leader's SyncGroup carries an assignment."""
        return self.is_leader and not self._skips_assigning

    @property
    def beats(self) -> bool:
        """Whether heartbeats are due: in a generation, and not while JoinGroup is parked."""
        return self.generation != NO_GENERATION and self.state in (
            State.SYNCING,
            State.STABLE,
            State.REBALANCING,
        )

    def move(self, event: Event) -> None:
        """Change the state. An event that has no row here is a mistake of the caller."""
        self.state = MOVES[self.state][event]

    def lose(self) -> None:
        """The generation is over for this member, or it left; its id is kept."""
        self.generation = NO_GENERATION
        self.others = []
        self.move(Event.LOSE)

    def join_request(
        self, topics: Collection[str], owned: Iterable[TopicPartition], reason: str
    ) -> JoinGroupRequest:
        """Ask for a place in the next generation."""
        config = self._config
        places = [*owned]
        self.move(Event.JOIN)
        return JoinGroupRequest(
            group_id=self.group_id,
            session_timeout_ms=config.session_timeout_ms,
            rebalance_timeout_ms=config.max_poll_interval_ms,
            member_id=self.member_id,
            group_instance_id=config.group_instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocols=[
                JoinGroupRequestProtocol(
                    name=name, metadata=ASSIGNORS[name].metadata(topics, places, self.generation)
                )
                for name in config.partition_assignment_strategy
            ],
            reason=reason,
        )

    def on_join(self, answer: JoinGroupResponse) -> NextStep:
        """Take in the answer to JoinGroup. Raises DecodeError if a member's words make no sense."""
        if self.state is not State.JOINING:
            return NextStep.REJOIN  # a heartbeat or the application was told otherwise meanwhile
        code = error_code(answer.error_code)
        if code is ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
        step = self.judge("JoinGroup", code)
        if step is not NextStep.DONE:
            return step
        name = answer.protocol_name or ""
        if name not in self._config.partition_assignment_strategy:
            raise Fatal(
                f"group {self.group_id}: the group shares partitions by {name!r}, which this "
                f"member does not know: partition_assignment_strategy="
                f"{self._config.partition_assignment_strategy}",
                code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
            )
        self.assignor = ASSIGNORS[name]
        self.member_id = answer.member_id
        self.generation = answer.generation_id
        self.others = [
            member_of(each.member_id, each.group_instance_id, each.metadata)
            for each in answer.members
        ]
        self._skips_assigning = answer.skip_assignment
        self.move(Event.JOINED)
        return step

    def sync_request(self, assignment: Mapping[str, Iterable[TopicPartition]]) -> SyncGroupRequest:
        """Ask what to read; the leader says what everybody reads, all others nothing."""
        assert self.assignor is not None, "only a member that has joined syncs"
        is_cooperative = self.assignor.is_cooperative
        owned = {each.member_id: each.owned if is_cooperative else () for each in self.others}
        return SyncGroupRequest(
            group_id=self.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._config.group_instance_id,
            protocol_type=PROTOCOL_TYPE,
            protocol_name=self.assignor.name,
            assignments=[
                SyncGroupRequestAssignment(
                    member_id=member_id,
                    assignment=encode_places(
                        places, gives_up=not {*owned.get(member_id, ())} <= {*places}
                    ),
                )
                for member_id, places in assignment.items()
            ],
        )

    def on_sync(self, answer: SyncGroupResponse) -> NextStep:
        """Take in the answer to SyncGroup; the partitions are for the caller.

        Raises DecodeError if the leader's words make no sense.
        """
        if self.state is not State.SYNCING:
            return NextStep.REJOIN
        step = self.judge("SyncGroup", error_code(answer.error_code))
        if step is NextStep.DONE:
            self.gives_up = decode_gives_up(answer.assignment)
            self.move(Event.SYNCED)
            self.figures.rebalance_total += 1
        else:
            self.figures.failed_rebalance_total += 1
        return step

    def heartbeat_request(self) -> HeartbeatRequest:
        """Tell the coordinator that this member lives."""
        return HeartbeatRequest(
            group_id=self.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._config.group_instance_id,
        )

    def leave_request(self, version_max: int, reason: str) -> LeaveGroupRequest:
        """Tell the coordinator that this member goes."""
        if version_max < LEAVE_SEVERAL_SINCE:
            return LeaveGroupRequest(group_id=self.group_id, member_id=self.member_id)
        identity = MemberIdentity(member_id=self.member_id, reason=reason)
        return LeaveGroupRequest(group_id=self.group_id, members=[identity])

    def judge(self, request: str, code: ErrorCode, *, generation: int | None = None) -> NextStep:
        """What an error code means, and the change of state that it brings.

        Args:
            request: a key of NEXT_STEPS.
            generation: in which the request was sent; an answer to an older one changes nothing.
        """
        step = NEXT_STEPS[request].get(code, NextStep.FAIL)
        if request == "Heartbeat":
            self.figures.heartbeat_total += 1
        if generation is not None and generation != self.generation:
            return step
        if step is NextStep.REJOIN:
            if request in ("JoinGroup", "SyncGroup") or self.state is State.STABLE:
                self.move(Event.REBALANCE)
        elif step is NextStep.NEW_GENERATION:
            self.lose()
        elif step is NextStep.NEW_MEMBER:
            self.member_id = NO_MEMBER_ID
            self.lose()
        elif step is NextStep.FAIL and (
            request != "OffsetCommit" or code is ErrorCode.FENCED_INSTANCE_ID
        ):
            self.fail(self.error_of(code))
        return step

    def raise_if_failed(self) -> None:
        """Raise why the state is FAILED, if it is."""
        if self.failure is not None:
            raise self.failure

    def fail(self, error: ClientError) -> None:
        """End the membership; the application is told why."""
        self.failure = error
        self.move(Event.FAIL)

    def error_of(self, code: ErrorCode) -> ClientError:
        """What the application is told about a code, and what it can do about it."""
        config = self._config
        hints = {
            ErrorCode.FENCED_INSTANCE_ID: "another consumer has joined with group_instance_id="
            f"{config.group_instance_id!r}; give every running consumer one of its own",
            ErrorCode.INCONSISTENT_GROUP_PROTOCOL: "its members share no assignor with "
            f"partition_assignment_strategy={config.partition_assignment_strategy}; "
            "use one that all of them have",
            ErrorCode.INVALID_SESSION_TIMEOUT: f"session_timeout_ms={config.session_timeout_ms} "
            "lies outside group.min.session.timeout.ms and group.max.session.timeout.ms "
            "of the broker",
            ErrorCode.GROUP_MAX_SIZE_REACHED: "it has as many members as group.max.size of the "
            "broker allows",
        }
        kind = Fenced if code is ErrorCode.FENCED_INSTANCE_ID else Fatal
        told = hints.get(code) or words(code, AclOperation.READ)
        return kind(f"group {self.group_id}: {code.name}: {told}", code=code)
