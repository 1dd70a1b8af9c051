"""From one generation of a group to the next: who is waited for, how long, and what then.

1. begin: whoever waits for an assignment is told to join again  2. members join and wait
3. all have joined, or time is up: the generation begins, everybody hears of it, the leader of all
4. the leader assigns: that is written, and everybody gets its part when it is durable.
Members that are silent at a step are removed; a static one keeps its place until its session ends.
Source: GroupMetadataManager.prepareRebalance, completeClassicGroupJoin, expirePendingSync.
Tests: tests/unit/broker/groups/test_states.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from ...protocol.errors import ErrorCode
from ..config.broker import BrokerConfig
from ..directory.running_clock import RunningClock
from ..limits import (
    GROUP_BYTES_MAX,
    JOIN_UNDER_WAY_MS,
    JOINS_UNDER_WAY_MS_MAX,
    NEW_MEMBER_JOIN_MS_MAX,
)
from ..log_lines import Event, Line
from ..storage.port import StorageError
from ..waiting.isolation import each_alone
from ..waiting.promise import Promise
from ..waiting.timers import Timers
from ..world import Clock
from .members import Group, Joined, Member, Synced
from .offsets import GroupsState
from .records import GroupRecord, StateRecord
from .states import COMPLETING, DEAD, EMPTY, NEXT, PREPARING, STABLE

A = TypeVar("A")


class Ledger(Protocol):
    """Where groups write what must be durable.

    Args:
        state: what is written, and what was before the start.
        clock: by which offsets expire.
    """

    state: GroupsState
    clock: RunningClock

    @property
    def next_offset(self) -> int:
        """Where in the log the next record will stand."""

    def is_durable_to(self, offset: int) -> bool:
        """Whether all before an offset is durable; always so where nobody waits for flushes."""

    def commit(self, records: Sequence[StateRecord]) -> None:
        """Write as one batch and apply. Raises StorageError: nothing was written."""

    def want_flush(self) -> None:
        """What was written is to be flushed soon, although nobody waits for an answer."""

    def when_durable(self, message: A, refusal: Callable[[], A]) -> A | Promise:
        """A response that stands once all that is written is durable: it, or a promise of it."""


class Rebalances:
    """Leads groups from generation to generation.

    Args:
        tell: takes one line for the operator.
    """

    def __init__(
        self,
        config: BrokerConfig,
        ledger: Ledger,
        clock: Clock,
        timers: Timers,
        tell: Callable[[Line], None] = lambda line: None,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self._timers = timers
        self._tell = tell

    def add(self, group: Group, member: Member, protocol_type: str) -> None:
        """Take a new member in, which waits for the answer to its join."""
        member.is_new = True
        if group.state is PREPARING and group.previous is EMPTY:
            group.has_grown = True
        group.add(member, protocol_type)
        self._expect(group, member.member_id, NEW_MEMBER_JOIN_MS_MAX)
        self.begin_or_complete(group)

    def expect_heartbeat(self, group: Group, member: Member) -> None:
        """A member has shown that it lives: its session begins anew."""
        self._expect(group, member.member_id, member.session_timeout_ms)

    def expect_join(self, group: Group, member_id: str, session_timeout_ms: int) -> None:
        """A member id was given out: it must be used in time."""
        group.give_id(member_id)
        self._expect(group, member_id, session_timeout_ms)

    def forget(self, group: Group, member_id: str) -> None:
        """A member leaves, or an id that was given out is given back; what then is to come."""
        self.forget_session(group, member_id)
        member = group.members.get(member_id)
        if member is not None:
            member.answer_join(Joined(ErrorCode.UNKNOWN_MEMBER_ID, ""))
            member.answer_sync(Synced(ErrorCode.UNKNOWN_MEMBER_ID))
        group.remove(member_id)

    def forget_session(self, group: Group, member_id: str) -> None:
        """Nobody answers to a member id any more."""
        self._timers.cancel(("session", group.group_id, member_id))

    def forget_group(self, group: Group) -> None:
        """The group is deleted."""
        for member_id in (*group.members, *group.pending):
            self.forget(group, member_id)
        for what in ("join", "sync"):
            self._timers.cancel((what, group.group_id, ""))
        group.leave_memory()
        group.move(DEAD, self._clock.now_ms())

    def begin_or_complete(self, group: Group, *, keeps_delay: bool = True) -> None:
        """Begin a rebalance; if one is under way, see whether it is complete."""
        if PREPARING in NEXT[group.state]:
            self.begin(group)
        else:
            self.complete_if_ready(group, keeps_delay=keeps_delay)

    def begin(self, group: Group) -> None:
        """Begin a rebalance."""
        if group.state is COMPLETING:
            self._refuse_syncs(group, ErrorCode.REBALANCE_IN_PROGRESS)
        group.unsynced.clear()
        self._timers.cancel(("sync", group.group_id, ""))
        is_first = group.state is EMPTY
        self._tell(
            Event(
                "rebalance-began",
                group=group.group_id,
                after_generation=group.generation_id,
                members=len(group.members),
            )
        )
        group.move(PREPARING, self._clock.now_ms())
        delay_ms = self._config.group_initial_rebalance_delay_ms
        if is_first and not delay_ms:
            self._await_joins_under_way(group, JOINS_UNDER_WAY_MS_MAX)
        elif is_first:
            self._delay_first(group, delay_ms, max(group.rebalance_timeout_ms - delay_ms, 0))
        else:
            self.complete_if_ready(group)
            if group.state is PREPARING:
                self._wait_for_joins(group)

    def complete_if_ready(self, group: Group, *, keeps_delay: bool = True) -> None:
        """End the joining when nobody is missing.

        Args:
            keeps_delay: not while a first rebalance is delayed.
        """
        # 1. the first of ten members joins a new group  2. nobody is missing, as nobody else is
        # known: it would be a generation of one  3. each of the other nine would begin another
        # rebalance. So a group that was Empty is not complete before its delay has ended.
        if group.state is not PREPARING or (keeps_delay and group.previous is EMPTY):
            return
        if group.has_everybody:
            self._complete(group)

    def synced(self, group: Group, member_id: str) -> None:
        """A member has asked for its assignment."""
        group.unsynced.discard(member_id)
        if not group.unsynced:
            self._timers.cancel(("sync", group.group_id, ""))

    def assign(self, group: Group, assignments: Mapping[str, bytes]) -> None:
        """The leader has spoken: write it, then give everybody who waits its part."""
        more_bytes = sum(len(assignments.get(member_id, b"")) for member_id in group.members)
        if group.held_bytes + more_bytes > GROUP_BYTES_MAX or not group.tally.has_room(more_bytes):
            # What Kafka answers when it cannot write a record for its length.
            self._refuse_syncs(group, ErrorCode.UNKNOWN_SERVER_ERROR)
            self.begin_or_complete(group)
            return
        try:
            self._ledger.commit([GroupRecord(group.group_id, group.record(assignments))])
        except StorageError:
            self._refuse_syncs(group, ErrorCode.NOT_COORDINATOR)
            self.begin_or_complete(group)
            return
        group.assign(assignments)
        group.move(STABLE, self._clock.now_ms())
        refusal = Synced(ErrorCode.NOT_COORDINATOR)

        def give(member: Member) -> None:
            promise, member.syncing = member.syncing, None
            if promise is not None:
                self.expect_heartbeat(group, member)
                synced = group.synced(member)
                promise.keep_with(lambda: self._ledger.when_durable(synced, lambda: refusal))

        each_alone(group.members.values(), give, "giving a member its assignment")

    def _await_joins_under_way(self, group: Group, left_ms: int) -> None:
        """Without a delay a first rebalance still lets in who is about to join.

        1. two members start together, and both are told their ids (KIP-394)   2. the first comes
        back with its id: alone, it would be a generation   3. the second comes back a millisecond
        later: all would have to join again at once. Kafka's timers and queues take as long.
        """

        def look() -> None:
            if group.pending and left_ms > JOIN_UNDER_WAY_MS:
                self._await_joins_under_way(group, left_ms - JOIN_UNDER_WAY_MS)
            else:
                self._complete(group)

        self._at(("join", group.group_id, ""), JOIN_UNDER_WAY_MS, look)

    def _delay_first(self, group: Group, delay_ms: int, left_ms: int) -> None:
        """Give the first rebalance of a group time for more members; KIP-134."""
        self._at(
            ("join", group.group_id, ""),
            delay_ms,
            lambda: self._end_delay(group, delay_ms, left_ms),
        )

    def _end_delay(self, group: Group, delay_ms: int, left_ms: int) -> None:
        if group.has_grown and left_ms:
            group.has_grown = False
            again_ms = min(self._config.group_initial_rebalance_delay_ms, left_ms)
            self._delay_first(group, again_ms, max(left_ms - delay_ms, 0))
        else:
            self._complete(group)

    def _wait_for_joins(self, group: Group) -> None:
        self._at(
            ("join", group.group_id, ""),
            group.rebalance_timeout_ms,
            lambda: self._complete(group),
        )

    def _complete(self, group: Group) -> None:
        """Everybody has joined or time is up: begin the generation with those who have."""
        # 1. a process is stopped for minutes while its group rebalances  2. the time for joining is
        # up: it is no member any more, or nobody of the others could ever go on  3. it wakes up and
        # writes on, commits, heartbeats: its id is unknown, so it joins anew.
        self._timers.cancel(("join", group.group_id, ""))
        for member in tuple(group.members.values()):
            if member.joining is None and member.group_instance_id is None:
                self.forget(group, member.member_id)
        # A static member is not removed: 1. it is restarted, which takes longer than the rebalance
        # 2. its partitions would go to others and come back (KIP-345). It keeps its place until its
        # session ends. If only such are left, nobody is there to lead: wait for those sessions.
        if not group.elect() and group.members:
            self._wait_for_joins(group)
            return
        group.begin_generation(self._clock.now_ms())
        self._tell(
            Event(
                "generation-began",
                group=group.group_id,
                generation=group.generation_id,
                members=len(group.members),
                protocol=group.protocol_name,
            )
        )
        if group.state is EMPTY:
            # 1. this cannot be written  2. after a crash the generation before is back, with its
            # members  3. none of them heartbeats, and their sessions end: nothing is lost by it.
            with suppress(StorageError):
                self._ledger.commit([GroupRecord(group.group_id, group.record({}))])
            return

        def tell(member: Member) -> None:
            member.is_new = False
            self.expect_heartbeat(group, member)
            member.answer_join(group.joined(member))

        each_alone(tuple(group.members.values()), tell, "telling a member of its generation")
        generation_id = group.generation_id
        self._at(
            ("sync", group.group_id, ""),
            group.rebalance_timeout_ms,
            lambda: self._expire_sync(group, generation_id),
        )

    def _expire_sync(self, group: Group, generation_id: int) -> None:
        # 1. a generation begins, and its leader dies before it has assigned  2. all others wait in
        # their syncs, and who waits is not expired  3. nobody would ever be answered. So whoever
        # has not asked for its assignment by now goes, and the others begin again without it.
        # The timer cannot be one of an earlier generation: beginning a rebalance cancels it.
        assert group.generation_id == generation_id
        if group.unsynced:
            for member_id in tuple(group.unsynced):
                self.forget(group, member_id)
            self.begin(group)

    def _expire_session(self, group: Group, member_id: str) -> None:
        # Where a rebalance is under way, it may be complete without whoever goes here; and here it
        # then ends at once, the delay of a first rebalance or not:
        # 1. a group waits a minute for its first members  2. one was told an id, with a session of
        # 10 s, and does not come back  3. all others are there: their generation begins after 10 s.
        # Leaving and joining keep the delay. That is Kafka's own shape: in its
        # removeMemberAndUpdateGenericGroup and removePendingMemberAndUpdateGenericGroup the guard
        # of maybeCompleteJoinPhase (previousState != EMPTY) is missing.
        if member_id in group.pending:
            group.remove(member_id)
            self.complete_if_ready(group, keeps_delay=False)
            return
        member = group.members.get(member_id)
        if member is None:
            return
        # 1. a member waits in its join for minutes, as the others are slow  2. it cannot heartbeat
        # meanwhile: its session ends  3. removed, it would join anew, and the group never settle.
        # So who waits for us lives, and its session begins anew with the answer. But a new member
        # has no id to come back with: 1. its connection breaks, it joins again, is one member more
        # 2. nobody would ever answer for the first. So that one goes (NEW_MEMBER_JOIN_MS_MAX).
        if not member.is_new and (member.joining is not None or member.syncing is not None):
            return
        self._tell(
            Event(
                "member-expired",
                group=group.group_id,
                member=member_id,
                client_id=member.client_id,
                session_timeout_ms=member.session_timeout_ms,
            )
        )
        self.forget(group, member_id)
        self.begin_or_complete(group, keeps_delay=False)

    def _refuse_syncs(self, group: Group, code: ErrorCode) -> None:
        group.assign({})

        def refuse(member: Member) -> None:
            if member.syncing is not None:
                self.expect_heartbeat(group, member)
                member.answer_sync(Synced(code))

        each_alone(group.members.values(), refuse, "refusing a member its assignment")

    def _expect(self, group: Group, member_id: str, timeout_ms: int) -> None:
        self._at(
            ("session", group.group_id, member_id),
            timeout_ms,
            lambda: self._expire_session(group, member_id),
        )

    def _at(self, key: tuple[str, str, str], delay_ms: int, action: Callable[[], None]) -> None:
        self._timers.set(key, self._clock.monotonic_ms() + delay_ms, action)
