"""A member joins: as a new one, as one the group knows, or as a static one that has come back.

What follows from it is for rebalances.py. A group that is full refuses: by `group.max.size`, by our
own bounds on members and on what they say. Source: GroupMetadataManager.classicGroupJoinNewMember,
classicGroupJoinExistingMember, updateStaticMemberThenRebalanceOrCompleteJoin; KIP-345, KIP-394.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from ...protocol.errors import ApiError, ErrorCode
from ..config.broker import BrokerConfig
from ..limits import GROUP_BYTES_MAX, GROUP_MEMBERS_MAX, MEMBER_ID_PREFIX_LENGTH_MAX
from .members import Group, Joined, Member
from .rebalances import Ledger, Rebalances
from .records import GroupRecord
from .sizes import ENTRY_BYTES, Protocols, protocols_bytes
from .states import ANSWERS, EMPTY, PREPARING, STABLE, Ask, Then


@dataclass(frozen=True, slots=True)
class Join:
    """A JoinGroup.

    Args:
        member_id: "" for a member that has none yet.
        gets_id_first: it is told its member id and has to come again with it (KIP-394).
        can_skip_assignment: a returning leader understands that it is not to assign (KIP-814).
    """

    group_id: str
    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    gets_id_first: bool
    can_skip_assignment: bool


class Joins:
    """Lets members into groups.

    Args:
        random: draws member ids.
    """

    def __init__(
        self, config: BrokerConfig, rebalances: Rebalances, ledger: Ledger, random: Random
    ) -> None:
        self.members_max = min(config.group_max_size, GROUP_MEMBERS_MAX)
        self._rebalances = rebalances
        self._ledger = ledger
        self._random = random

    def join(self, group: Group, ask: Join, take: Callable[[Joined], None]) -> None:
        """Let a member join a group that is there; see Coordinator.join.

        Raises:
            StorageError: a static member that came back could not be written.
            ApiError: a member id that was given out comes back with an instance id.
        """
        if not group.tally.has_room(_held_bytes(ask)):
            take(Joined(ErrorCode.COORDINATOR_NOT_AVAILABLE, ask.member_id))
        elif not self._has_room(group, ask):
            group.remove(ask.member_id)
            take(Joined(ErrorCode.GROUP_MAX_SIZE_REACHED, ""))
        elif not group.supports(ask.protocol_type, ask.protocols):
            take(Joined(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, ask.member_id))
        elif not ask.member_id:
            self._join_new(group, ask, take)
        elif ask.member_id in group.pending:
            if ask.group_instance_id is not None:
                why = "a static member is given no id to join with"
                raise ApiError(ErrorCode.UNKNOWN_SERVER_ERROR, why)
            self._add(group, ask, ask.member_id, take)
        else:
            self._join_known(group, ask, take)

    def _has_room(self, group: Group, ask: Join) -> bool:
        member = group.members.get(ask.member_id)
        if group.state is EMPTY:
            pass
        elif group.state is PREPARING:
            waits = member is not None and member.joining is not None
            if not waits and group.joined_count >= self.members_max:
                return False
        elif member is None and len(group.members) >= self.members_max:
            return False
        had_bytes = 0 if member is None else member.held_bytes
        return (
            len(group.pending) < GROUP_MEMBERS_MAX
            and group.held_bytes - had_bytes + _held_bytes(ask) <= GROUP_BYTES_MAX
        )

    def _join_new(self, group: Group, ask: Join, take: Callable[[Joined], None]) -> None:
        # 1. a client id has 32,767 bytes  2. its member id has more, and no answer can carry it
        # 3. nor can the leader's, which lists all members: the whole group would never begin.
        prefix = ask.client_id if ask.group_instance_id is None else ask.group_instance_id
        prefix = prefix[:MEMBER_ID_PREFIX_LENGTH_MAX]
        member_id = f"{prefix}-{UUID(int=self._random.getrandbits(128), version=4)}"
        if ask.group_instance_id is not None:
            known = group.static.get(ask.group_instance_id)
            if known is None:
                self._add(group, ask, member_id, take)
            else:
                self._replace(group, ask, known, member_id, take)
        elif ask.gets_id_first:
            self._rebalances.expect_join(group, member_id, ask.session_timeout_ms)
            take(Joined(ErrorCode.MEMBER_ID_REQUIRED, member_id))
        else:
            self._add(group, ask, member_id, take)

    def _join_known(self, group: Group, ask: Join, take: Callable[[Joined], None]) -> None:
        code = group.check_member(ask.member_id, ask.group_instance_id)
        if code is not ErrorCode.NONE:
            take(Joined(code, ask.member_id))
            return
        member = group.members[ask.member_id]
        answer = ANSWERS[group.state, Ask.JOIN_KNOWN]
        is_same = member.protocols == ask.protocols
        may_repeat = answer is Then.REPEAT_OR_REBALANCE or (
            answer is Then.ALSO_IF_LEADER and group.leader != member.member_id
        )
        if is_same and may_repeat:
            take(group.joined(member))
        else:
            self._update(group, member, ask, take)
            self._rebalances.begin_or_complete(group)

    def _add(self, group: Group, ask: Join, member_id: str, take: Callable[[Joined], None]) -> None:
        member = Member(
            member_id,
            ask.group_instance_id,
            ask.client_id,
            ask.client_host,
            ask.session_timeout_ms,
            ask.rebalance_timeout_ms,
            ask.protocols,
            joining=take,
        )
        self._rebalances.add(group, member, ask.protocol_type)

    def _replace(
        self, group: Group, ask: Join, old_id: str, new_id: str, take: Callable[[Joined], None]
    ) -> None:
        """A static member is back without its member id: it gets a new one in the same place."""
        old_leader = group.leader
        member = group.replace(old_id, new_id)
        self._rebalances.forget_session(group, old_id)
        self._rebalances.expect_heartbeat(group, member)
        self._update(group, member, ask, take)
        if group.state is not STABLE or group.protocol_name != group.select_protocol():
            self._rebalances.begin_or_complete(group)
            return
        member.joining = None
        assignments = {each.member_id: each.assignment for each in group.members.values()}
        self._ledger.commit([GroupRecord(group.group_id, group.record(assignments))])
        answer = group.joined(member, skip_assignment=group.leader == new_id)
        if not ask.can_skip_assignment:
            # The old leader's id: so the client does not take itself for the leader.
            answer = replace(answer, skip_assignment=False, leader=old_leader or "", members=())
        self._ledger.answer(answer, Joined(ErrorCode.NOT_COORDINATOR, ""), take)

    def _update(
        self, group: Group, member: Member, ask: Join, take: Callable[[Joined], None]
    ) -> None:
        group.offer(member, ask.protocols)
        member.session_timeout_ms = ask.session_timeout_ms
        member.rebalance_timeout_ms = ask.rebalance_timeout_ms
        member.wait_for_join(take)


def _held_bytes(ask: Join) -> int:
    """About what a member takes that joins like this: its id is made of one of the others."""
    names = (ask.member_id, ask.client_id, ask.client_id, ask.group_instance_id or "")
    return protocols_bytes(ask.protocols) + sum(ENTRY_BYTES + len(name) for name in names)
