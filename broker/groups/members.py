"""One group: its members, who leads, what they speak, and who is still waited for.

Only facts and the changes that need no clock and no log; when something happens is decided in
rebalances.py and coordinator.py. Whoever waits for an answer has a promise of it, which stays with
the member: `joining` of a Joined, `syncing` of a Synced.
Source: ClassicGroup.java, ClassicGroupMember.java.
Tests: tests/unit/broker/groups/test_joins.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...protocol.codec.compiler import decoder
from ...protocol.consumer_protocol import VERSION_BYTES, ConsumerProtocolSubscription
from ...protocol.errors import DecodeError, ErrorCode
from ..limits import SUBSCRIBED_TOPICS_MAX
from ..waiting.promise import Promise
from .records import GroupMetadataValue, MemberMetadata
from .sizes import ENTRY_BYTES, GROUP_OWN_BYTES, Protocols, Tally, protocols_bytes
from .states import EMPTY, NEXT, PREPARING, GroupState

CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a JoinGroup.

    Args:
        members: (member id, instance id, metadata) of everybody, for the leader only.
    """

    code: ErrorCode
    member_id: str
    generation_id: int = -1
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = ""
    skip_assignment: bool = False
    members: tuple[tuple[str, str | None, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Synced:
    """The answer to a SyncGroup."""

    code: ErrorCode
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


@dataclass(slots=True, eq=False)
class Member:
    """One member of one group.

    Args:
        is_new: it has not been told of any generation yet.
        joining, syncing: promises of the answers it waits for; None while it waits for none.
    """

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: Protocols
    assignment: bytes = b""
    is_new: bool = False
    joining: Promise | None = None
    syncing: Promise | None = None

    def metadata(self, protocol_name: str | None) -> bytes:
        """What it says in a protocol; b"" for one it does not offer."""
        return next((said for name, said in self.protocols if name == protocol_name), b"")

    @property
    def held_bytes(self) -> int:
        """What it takes, but for its assignment."""
        said_bytes = protocols_bytes(self.protocols) + len(self.member_id) + len(self.client_id)
        return said_bytes + 4 * ENTRY_BYTES + len(self.group_instance_id or "")

    def answer_join(self, answer: Joined) -> None:
        """Give the answer it waits for, if it waits."""
        promise, self.joining = self.joining, None
        if promise is not None:
            promise.keep(answer)

    def answer_sync(self, answer: Synced) -> None:
        """Give the answer it waits for, if it waits."""
        promise, self.syncing = self.syncing, None
        if promise is not None:
            promise.keep(answer)

    def wait_for_join(self) -> Promise:
        """Let it wait; one that has waited before on another connection is sent away."""
        self.answer_join(Joined(ErrorCode.REBALANCE_IN_PROGRESS, self.member_id))
        self.joining = Promise()
        return self.joining

    def wait_for_sync(self) -> Promise:
        """Let it wait; one that has waited before on another connection is sent away."""
        self.answer_sync(Synced(ErrorCode.REBALANCE_IN_PROGRESS))
        self.syncing = Promise()
        return self.syncing


@dataclass(slots=True, eq=False)
class Group:
    """One group.

    Args:
        state_at_ms: when it came into its state, ms since 1970.
        pending: member ids that were given out and not joined with yet.
        unsynced: members of this generation that have not asked for their assignment yet.
        has_grown: a member came while the first rebalance was delayed.
        subscribed: topics of all members; None if that cannot be known.
        tally: of all groups; what this one holds counts there, too.
        held_bytes: what members, ids and assignments take.
        offers: how many members offer a protocol, by its name.
    """

    group_id: str
    state_at_ms: int
    state: GroupState = EMPTY
    previous: GroupState = GroupState.DEAD
    generation_id: int = 0
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str | None = None
    members: dict[str, Member] = field(default_factory=dict)
    static: dict[str, str] = field(default_factory=dict)  # member id by instance id
    pending: set[str] = field(default_factory=set)
    unsynced: set[str] = field(default_factory=set)
    has_grown: bool = False
    subscribed: frozenset[str] | None = None
    tally: Tally = field(default_factory=Tally)
    held_bytes: int = 0
    offers: Counter[str] = field(default_factory=Counter)
    _assigned_bytes: int = 0

    def __post_init__(self) -> None:
        self._hold(GROUP_OWN_BYTES + len(self.group_id))

    def move(self, state: GroupState, now_ms: int) -> None:
        """Go into another state, at `now_ms` since 1970."""
        assert state in NEXT[self.state], f"{self.group_id}: {self.state} -> {state}"
        self.previous, self.state, self.state_at_ms = self.state, state, now_ms

    @property
    def joined_count(self) -> int:
        """How many members wait for the rebalance to end."""
        return sum(member.joining is not None for member in self.members.values())

    @property
    def has_everybody(self) -> bool:
        """Whether all who are expected have joined."""
        return not self.pending and all(each.joining is not None for each in self.members.values())

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest that any member asks for."""
        return max((each.rebalance_timeout_ms for each in self.members.values()), default=0)

    def check_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """Whether a request may speak for a member: NONE, or why not."""
        if group_instance_id is not None:
            known = self.static.get(group_instance_id)
            if known is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if known != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        if member_id not in self.members:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE

    def speaks(self, protocol_type: str | None, protocol_name: str | None) -> bool:
        """Whether this generation speaks that; None for a client that does not say."""
        return protocol_type in (None, self.protocol_type) and protocol_name in (
            None,
            self.protocol_name,
        )

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Whether a member that offers this can be one of the group."""
        if self.state is EMPTY:
            return bool(protocol_type and protocols)
        if self.protocol_type != protocol_type:
            return False
        if not self.members:  # only ids were given out: whatever they will offer is common
            return bool(protocols)
        return any(self.offers[name] == len(self.members) for name, _ in protocols)

    def add(self, member: Member, protocol_type: str) -> None:
        """Add a member; the first decides the protocol type and leads."""
        if member.group_instance_id is not None:
            self.static[member.group_instance_id] = member.member_id
        if not self.members:
            self.protocol_type = protocol_type
        if self.leader is None:
            self.leader = member.member_id
        self.members[member.member_id] = member
        self._count(member, 1)
        self._forget_id(member.member_id)

    def give_id(self, member_id: str) -> None:
        """Somebody was told this id, to join with it."""
        if member_id not in self.pending:
            self.pending.add(member_id)
            self._hold(ENTRY_BYTES + len(member_id))

    def update(
        self,
        member: Member,
        protocols: Protocols,
        session_timeout_ms: int,
        rebalance_timeout_ms: int,
    ) -> None:
        """A member that is there joins again, with what it offers and asks for now."""
        self._count(member, -1)
        member.protocols = protocols
        member.session_timeout_ms = session_timeout_ms
        member.rebalance_timeout_ms = rebalance_timeout_ms
        self._count(member, 1)

    def assign(self, assignments: Mapping[str, bytes]) -> None:
        """Give each member its assignment; b"" to those that none is for."""
        assigned_bytes = 0
        for member in self.members.values():
            member.assignment = assignments.get(member.member_id, b"")
            assigned_bytes += len(member.assignment)
        self._hold(assigned_bytes - self._assigned_bytes)
        self._assigned_bytes = assigned_bytes

    def leave_memory(self) -> None:
        """The group is deleted: it holds nothing any more."""
        self._hold(-self.held_bytes)

    def remove(self, member_id: str) -> None:
        """Take a member out, or an id that was given out; if it led, somebody else does."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count(member, -1)
            self._hold(-len(member.assignment))
            self._assigned_bytes -= len(member.assignment)
            if member.group_instance_id is not None:
                self.static.pop(member.group_instance_id, None)
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        self._forget_id(member_id)
        self.unsynced.discard(member_id)

    def replace(self, old_id: str, new_id: str) -> Member:
        """Give a static member a new id; whoever waits under the old one is fenced."""
        member = self.members.pop(old_id)
        fenced = ErrorCode.FENCED_INSTANCE_ID
        member.answer_join(Joined(fenced, old_id))
        member.answer_sync(Synced(fenced))
        self._count(member, -1)
        self.members[new_id] = member
        member.member_id = new_id
        self._count(member, 1)
        if self.leader == old_id:
            self.leader = new_id
        assert member.group_instance_id is not None
        self.static[member.group_instance_id] = new_id
        return member

    def elect(self) -> bool:
        """Make sure that the leader is one who has joined; False if nobody has."""
        leader = self.members.get(self.leader or "")
        if leader is not None and leader.joining is None:
            rejoined = (each for each in self.members.values() if each.joining is not None)
            leader = next(rejoined, None)
            if leader is not None:
                self.leader = leader.member_id
        return leader is not None

    def begin_generation(self, now_ms: int) -> None:
        """The next generation, with the members there are, at `now_ms` since 1970."""
        self.generation_id += 1
        self.protocol_name = self.select_protocol() if self.members else None
        self.subscribed = self._subscriptions()
        self.move(GroupState.COMPLETING if self.members else EMPTY, now_ms)
        self.unsynced = set(self.members)

    def select_protocol(self) -> str:
        """The protocol most members like best among those that all offer."""
        offers, everybody = self.offers, len(self.members)
        votes = Counter(
            next(name for name, _ in each.protocols if offers[name] == everybody)
            for each in self.members.values()
        )
        return votes.most_common(1)[0][0]

    def joined(self, member: Member, *, skip_assignment: bool = False) -> Joined:
        """The answer that tells a member of this generation."""
        is_leader = self.leader == member.member_id
        return Joined(
            ErrorCode.NONE,
            member.member_id,
            self.generation_id,
            self.protocol_type,
            self.protocol_name,
            self.leader or "",
            skip_assignment,
            self._everybody() if is_leader else (),
        )

    def synced(self, member: Member) -> Synced:
        """The answer that tells a member what it was assigned."""
        return Synced(ErrorCode.NONE, self.protocol_type, self.protocol_name, member.assignment)

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member consumes a topic, as far as can be known."""
        if self.subscribed is None:
            return self.protocol_type == CONSUMER
        return topic in self.subscribed

    def record(self, assignments: Mapping[str, bytes]) -> GroupMetadataValue:
        """The group as it is written, with these assignments by member id."""
        return GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation_id,
            protocol=self.protocol_name,
            leader=self.leader,
            current_state_timestamp=self.state_at_ms,
            members=[
                MemberMetadata(
                    member_id=each.member_id,
                    group_instance_id=each.group_instance_id,
                    client_id=each.client_id,
                    client_host=each.client_host,
                    rebalance_timeout=each.rebalance_timeout_ms,
                    session_timeout=each.session_timeout_ms,
                    subscription=each.metadata(self.protocol_name),
                    assignment=assignments.get(each.member_id, b""),
                )
                for each in self.members.values()
            ],
        )

    @classmethod
    def recorded(cls, group_id: str, value: GroupMetadataValue, now_ms: int, tally: Tally) -> Group:
        """The group that a record tells of, at `now_ms` since 1970."""
        state_at_ms = value.current_state_timestamp
        group = cls(group_id, now_ms if state_at_ms == -1 else state_at_ms, tally=tally)
        group.generation_id = value.generation
        for each in value.members:
            timeout_ms = each.rebalance_timeout
            member = Member(
                each.member_id,
                each.group_instance_id,
                each.client_id,
                each.client_host,
                each.session_timeout,
                each.session_timeout if timeout_ms == -1 else timeout_ms,
                ((value.protocol or "", bytes(each.subscription)),),
            )
            group.add(member, value.protocol_type)
        group.assign({each.member_id: bytes(each.assignment) for each in value.members})
        group.protocol_type = value.protocol_type or None
        group.protocol_name = value.protocol
        group.leader = value.leader
        if group.members:
            group.state, group.previous = GroupState.STABLE, GroupState.COMPLETING
        group.subscribed = group._subscriptions()
        return group

    def _everybody(self) -> tuple[tuple[str, str | None, bytes], ...]:
        assert self.state is not PREPARING
        return tuple(
            (each.member_id, each.group_instance_id, each.metadata(self.protocol_name))
            for each in self.members.values()
        )

    def _count(self, member: Member, sign: int) -> None:
        """A member comes (1) or goes (-1), with what it offers and holds."""
        self._hold(sign * member.held_bytes)
        for name in {name for name, _ in member.protocols}:
            self.offers[name] += sign
            if not self.offers[name]:
                del self.offers[name]

    def _forget_id(self, member_id: str) -> None:
        if member_id in self.pending:
            self.pending.discard(member_id)
            self._hold(-ENTRY_BYTES - len(member_id))

    def _hold(self, more_bytes: int) -> None:
        self.held_bytes += more_bytes
        self.tally.count_bytes += more_bytes

    def _subscriptions(self) -> frozenset[str] | None:
        if self.protocol_type != CONSUMER:
            return None
        if self.members and self.protocol_name is None:
            return None
        return _topics_in(each.metadata(self.protocol_name) for each in self.members.values())


def _topics_in(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """The topics that subscriptions name; None if one cannot be read, or they are too many.

    Of a version that nobody knows yet, too: each begins with what version 0 consists of.
    """
    read = decoder(ConsumerProtocolSubscription, 0)
    topics: set[str] = set()
    left = SUBSCRIBED_TOPICS_MAX
    try:
        for each in subscriptions:
            left -= int.from_bytes(each[2:6], "big")
            if left < 0:
                return None
            topics.update(read(each, VERSION_BYTES)[0].topics)
    except DecodeError:
        return None
    return frozenset(topics)
