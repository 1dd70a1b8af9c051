"""What members ask of groups: join, sync, heartbeat, leave.

Each request is checked in Kafka's order: what is wrong with it by itself, then with who speaks;
what is right is answered by the table in states.py. Who cannot be answered yet gets a promise, and
what takes time is left to rebalances.py. What must be durable is written first, and answered when
it is (Ledger). A group that is full refuses: by `group.max.size`, by our own bounds on members and
on what they say. Committed offsets are committed.py's, those of transactions transactional.py's,
the groups themselves roster.py's.
Source: GroupMetadataManager.classicGroupJoin, classicGroupSync, classicGroupHeartbeat,
classicGroupLeave, updateStaticMemberThenRebalanceOrCompleteJoin; codes for a group id that is
empty, or a session timeout out of bounds, are GroupCoordinatorService's. KIP-345, KIP-394.
Tests: tests/unit/broker/groups/test_joins.py, tests/unit/broker/groups/test_states.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from ...protocol.errors import ApiError, ErrorCode
from ..config.broker import BrokerConfig
from ..limits import GROUP_BYTES_MAX, GROUP_MEMBERS_MAX, MEMBER_ID_PREFIX_LENGTH_MAX
from ..log_lines import Line
from ..waiting.isolation import each_alone
from ..waiting.long_work import finished
from ..waiting.promise import Promise
from ..waiting.timers import Timers
from ..world import Clock
from .committed import CommittedOffsets
from .members import Group, Joined, Member, Synced
from .rebalances import Ledger, Rebalances
from .records import GroupRecord
from .requests import Join, Speaker
from .roster import Roster
from .states import ANSWERS, DEAD, EMPTY, PREPARING, STABLE, Answer, Ask, Then, code_of
from .transactional import TransactionalOffsets

NONE, UNKNOWN = ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID


class Coordinator:
    """All groups of a broker, as their members see them.

    Args:
        random: draws member ids.
        on_earlier: called when `timers` has an earlier deadline than before.
        tell: takes one line for the operator.
        begin: LongWork.begin_ahead.
    """

    def __init__(
        self,
        config: BrokerConfig,
        ledger: Ledger,
        clock: Clock,
        random: Random,
        on_earlier: Callable[[], None],
        *,
        tell: Callable[[Line], None] = lambda line: None,
        begin: Callable[[Generator[None, Any, None]], object] = finished,
    ) -> None:
        self.ledger = ledger
        self.timers = Timers()
        self._config = config
        self._random = random
        self._members_max = min(config.group_max_size, GROUP_MEMBERS_MAX)
        self._rebalances = Rebalances(config, ledger, clock, self.timers, tell)
        self.roster = Roster(ledger, clock, self._rebalances)
        self.roster.load(self._members_max)
        self.offsets = CommittedOffsets(
            config,
            ledger,
            clock,
            self.timers,
            roster=self.roster,
            rebalances=self._rebalances,
            begin=begin,
        )
        self.offsets_in_transactions = TransactionalOffsets(ledger, self.roster)
        self.timers.on_earlier = on_earlier

    def join(self, ask: Join) -> Joined | Promise:
        """Let a member join: answered at once, or when the generation begins.

        Raises:
            StorageError: the group is new and could not be written, so there is none; or a static
                member that came back could not be.
            ApiError: a member id that was given out comes back with an instance id.
        """
        if not ask.group_id:
            return Joined(ErrorCode.INVALID_GROUP_ID, ask.member_id)
        least_ms = self._config.group_min_session_timeout_ms
        if not least_ms <= ask.session_timeout_ms <= self._config.group_max_session_timeout_ms:
            return Joined(ErrorCode.INVALID_SESSION_TIMEOUT, ask.member_id)
        group = self.roster.find(ask.group_id)
        answer = ANSWERS[DEAD if group is None else group.state, _kind_of(ask, group)]
        if answer is Then.CREATE:
            if not self.roster.has_room(ask.group_id):
                return Joined(ErrorCode.COORDINATOR_NOT_AVAILABLE, "")
            group = self.roster.create(ask.group_id)
        if group is None:
            return Joined(code_of(answer), ask.member_id)
        if not group.tally.has_room(ask.held_bytes):
            return Joined(ErrorCode.COORDINATOR_NOT_AVAILABLE, ask.member_id)
        if not self._has_room(group, ask):
            group.remove(ask.member_id)
            return Joined(ErrorCode.GROUP_MAX_SIZE_REACHED, "")
        if not group.supports(ask.protocol_type, ask.protocols):
            return Joined(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, ask.member_id)
        if not ask.member_id:
            return self._join_new(group, ask)
        if answer is not Then.ADD:
            return self._join_known(group, ask, answer)
        if ask.group_instance_id is not None:
            why = "a static member is given no id to join with"
            raise ApiError(ErrorCode.UNKNOWN_SERVER_ERROR, why)
        return self._add(group, ask, ask.member_id)

    def sync(
        self,
        speaker: Speaker,
        protocol_type: str | None,
        protocol_name: str | None,
        assignments: Mapping[str, bytes],
    ) -> Synced | Promise:
        """Tell a member its assignment: answered once the leader's word is durable."""
        if not speaker.group_id:
            return Synced(ErrorCode.INVALID_GROUP_ID)
        group = self.roster.find(speaker.group_id)
        if group is None:
            return Synced(code_of(ANSWERS[DEAD, Ask.SYNC]))
        code = speaker.check(group)
        if code is NONE and not group.speaks(protocol_type, protocol_name):
            code = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        answer = ANSWERS[group.state, Ask.SYNC]
        if code is NONE:
            code = code_of(answer)
        if code is not NONE:
            return Synced(code)
        member = group.members[speaker.member_id]
        self._rebalances.synced(group, member.member_id)
        if answer is Then.ANSWER:
            refusal = Synced(ErrorCode.NOT_COORDINATOR)
            return self.ledger.when_durable(group.synced(member), lambda: refusal)
        promise = member.wait_for_sync()
        if group.leader == member.member_id:
            self._rebalances.assign(group, assignments)
        return promise

    def heartbeat(self, speaker: Speaker) -> ErrorCode:
        """A member lives; REBALANCE_IN_PROGRESS tells it to join again."""
        if not speaker.group_id:
            return ErrorCode.INVALID_GROUP_ID
        group = self.roster.find(speaker.group_id)
        if group is None:
            return code_of(ANSWERS[DEAD, Ask.HEARTBEAT])
        code = speaker.check(group)
        if code is not NONE:
            return code
        self._rebalances.expect_heartbeat(group, group.members[speaker.member_id])
        return code_of(ANSWERS[group.state, Ask.HEARTBEAT])

    def leave(self, group_id: str, leaving: Iterable[tuple[str, str | None]]) -> list[ErrorCode]:
        """Let members go, each given as (member id, instance id); a code for each.

        Without a member id the instance id says who: so an administrator removes a static member.

        Raises:
            ApiError: there is no such group, for all of them.
        """
        if not group_id:
            raise ApiError(ErrorCode.INVALID_GROUP_ID, "the group id is empty")
        group = self.roster.find(group_id)
        if group is None:
            return [code_of(ANSWERS[DEAD, Ask.LEAVE]) for _ in leaving]
        codes = [self._leave(group, *each) for each in leaving]
        if NONE in codes:
            if ANSWERS[group.state, Ask.LEAVE] is Then.REBALANCE:
                self._rebalances.begin(group)
            else:
                self._rebalances.complete_if_ready(group)
        return codes

    def release_all(self) -> None:
        """Answer everyone who waits: the broker stops."""
        members = [each for group in self.roster.all() for each in group.members.values()]
        each_alone(members, _release, "releasing a member")

    def _has_room(self, group: Group, ask: Join) -> bool:
        member = group.members.get(ask.member_id)
        if group.state is EMPTY:
            pass
        elif group.state is PREPARING:
            waits = member is not None and member.joining is not None
            if not waits and group.joined_count >= self._members_max:
                return False
        elif member is None and len(group.members) >= self._members_max:
            return False
        had_bytes = 0 if member is None else member.held_bytes
        return (
            len(group.pending) < GROUP_MEMBERS_MAX
            and group.held_bytes - had_bytes + ask.held_bytes <= GROUP_BYTES_MAX
        )

    def _join_new(self, group: Group, ask: Join) -> Joined | Promise:
        # 1. a client id has 32,767 bytes  2. its member id has more, and no answer can carry it
        # 3. nor can the leader's, which lists all members: the whole group would never begin.
        prefix = ask.client_id if ask.group_instance_id is None else ask.group_instance_id
        prefix = prefix[:MEMBER_ID_PREFIX_LENGTH_MAX]
        member_id = f"{prefix}-{UUID(int=self._random.getrandbits(128), version=4)}"
        if ask.group_instance_id is not None:
            known = group.static.get(ask.group_instance_id)
            if known is not None:
                return self._replace(group, ask, known, member_id)
        elif ask.gets_id_first:
            # 1. a member without an id joins, and its connection breaks before the answer comes
            # 2. it joins again: as nobody knows it, that is one member more  3. the group waits
            # for the first one, which does not exist, until its session ends (KIP-394).
            self._rebalances.expect_join(group, member_id, ask.session_timeout_ms)
            return Joined(ErrorCode.MEMBER_ID_REQUIRED, member_id)
        return self._add(group, ask, member_id)

    def _join_known(self, group: Group, ask: Join, answer: Answer) -> Joined | Promise:
        code = group.check_member(ask.member_id, ask.group_instance_id)
        if code is NONE:
            code = code_of(answer)
        if code is not NONE:
            return Joined(code, ask.member_id)
        member = group.members[ask.member_id]
        is_leader_again = answer is Then.ALSO_IF_LEADER and group.leader == member.member_id
        if answer is not Then.PARK and not is_leader_again and member.protocols == ask.protocols:
            return group.joined(member)
        group.update(member, ask.protocols, ask.session_timeout_ms, ask.rebalance_timeout_ms)
        return self._rejoin(group, member)

    def _add(self, group: Group, ask: Join, member_id: str) -> Promise:
        member = Member(
            member_id,
            ask.group_instance_id,
            ask.client_id,
            ask.client_host,
            ask.session_timeout_ms,
            ask.rebalance_timeout_ms,
            ask.protocols,
        )
        promise = member.wait_for_join()
        self._rebalances.add(group, member, ask.protocol_type)
        return promise

    def _rejoin(self, group: Group, member: Member) -> Promise:
        """A member that is there takes part in the rebalance under way, or begins one."""
        promise = member.wait_for_join()
        self._rebalances.begin_or_complete(group)
        return promise

    def _replace(self, group: Group, ask: Join, old_id: str, new_id: str) -> Joined | Promise:
        """A static member is back without its member id: it gets a new one in the same place."""
        old_leader = group.leader
        member = group.replace(old_id, new_id)
        self._rebalances.forget_session(group, old_id)
        self._rebalances.expect_heartbeat(group, member)
        group.update(member, ask.protocols, ask.session_timeout_ms, ask.rebalance_timeout_ms)
        if group.state is not STABLE or group.protocol_name != group.select_protocol():
            return self._rejoin(group, member)
        # 1. the member's new id is told, and its assignment with it  2. the broker is killed
        # 3. the log knows the old id only: whoever comes with the new one is fenced. So: written
        # first, told when that is durable.
        assignments = {each.member_id: each.assignment for each in group.members.values()}
        self.ledger.commit([GroupRecord(group.group_id, group.record(assignments))])
        joined = group.joined(member, skip_assignment=group.leader == new_id)
        if not ask.can_skip_assignment:
            # The old leader's id: so the client does not take itself for the leader.
            joined = replace(joined, skip_assignment=False, leader=old_leader or "", members=())
        return self.ledger.when_durable(joined, lambda: Joined(ErrorCode.NOT_COORDINATOR, ""))

    def _leave(self, group: Group, member_id: str, group_instance_id: str | None) -> ErrorCode:
        ask = Ask.LEAVE
        if not member_id:
            member_id = group.static.get(group_instance_id or "", "")
            if not member_id:
                return UNKNOWN
        elif member_id in group.pending:
            ask = Ask.LEAVE_GIVEN
        else:
            code = group.check_member(member_id, group_instance_id)
            if code is not NONE:
                return code
        code = code_of(ANSWERS[group.state, ask])
        if code is NONE:
            self._rebalances.forget(group, member_id)
        return code


def _kind_of(ask: Join, group: Group | None) -> Ask:
    if not ask.member_id:
        return Ask.JOIN_NEW
    is_given = group is not None and ask.member_id in group.pending
    return Ask.JOIN_GIVEN if is_given else Ask.JOIN_KNOWN


def _release(member: Member) -> None:
    member.answer_join(Joined(ErrorCode.NOT_COORDINATOR, member.member_id))
    member.answer_sync(Synced(ErrorCode.NOT_COORDINATOR))
