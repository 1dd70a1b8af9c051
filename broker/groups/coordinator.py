"""What is asked of groups: join, sync, heartbeat, leave, commit, describe, delete.

A request is checked here, in Kafka's order, and answered by the table in states.py; what takes time
is left to rebalances.py. Answers that come later are given to the callable that came with the
question. What must be durable is written first, and answered when it is (Ledger).
Codes for a group id that is empty, or a session timeout out of bounds, are Kafka's
GroupCoordinatorService's; everything else is GroupMetadataManager's.
Tests: tests/unit/broker/groups/test_states.py
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from ...protocol.codec.schema import ZERO_UUID
from ...protocol.errors import ApiError, ErrorCode
from ..config.broker import BrokerConfig
from ..limits import GROUPS_MAX, OFFSETS_BYTES_MAX
from ..log_lines import Line
from ..storage.port import StorageError
from ..waiting.isolation import each_alone
from ..waiting.long_work import finished
from ..world import Clock
from .joins import Join, Joins
from .members import CONSUMER, Group, Joined, Member, Synced
from .offsets import Offsets, expired
from .rebalances import Ledger, Rebalances
from .records import GroupRecord, OffsetCommitValue, OffsetRecord, StateRecord
from .sizes import GROUP_OWN_BYTES, Tally, offset_bytes
from .states import ANSWERS, COMPLETING, DEAD, EMPTY, PREPARING, STABLE, Ask, GroupState, Then
from .timers import Timers

NONE, UNKNOWN = ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID
OFFSETS_A_STEP = 300  # that are written at once
GROUPS_A_STEP = 100  # that are looked at at once
_EXPIRY = ("expiry", "", "")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who a request speaks for; generation -1 and member "" for nobody in particular."""

    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None

    @property
    def is_nobody(self) -> bool:
        """Whether it speaks for nobody in particular."""
        return self.generation_id < 0 and not self.member_id and self.group_instance_id is None


class Coordinator:
    """All groups of a broker.

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
        self._begin = begin
        self.timers = Timers()
        self._config = config
        self._clock = clock
        self._rebalances = Rebalances(config, ledger, clock, self.timers, tell)
        self._joins = Joins(config, self._rebalances, ledger, random)
        self._groups: dict[str, Group] = {}
        self._tally = Tally()
        self._load()
        self.timers.on_earlier = on_earlier

    def join(self, ask: Join, take: Callable[[Joined], None]) -> None:
        """Let a member join; `take` gets the answer when the generation begins, or at once.

        Raises:
            StorageError: the group is new and could not be written; there is none.
        """
        if not ask.group_id:
            take(Joined(ErrorCode.INVALID_GROUP_ID, ask.member_id))
            return
        least_ms = self._config.group_min_session_timeout_ms
        if not least_ms <= ask.session_timeout_ms <= self._config.group_max_session_timeout_ms:
            take(Joined(ErrorCode.INVALID_SESSION_TIMEOUT, ask.member_id))
            return
        kind = Ask.JOIN_KNOWN if ask.member_id else Ask.JOIN_NEW
        if ANSWERS[self.state_of(ask.group_id), kind] is Then.CREATE:
            if not self._has_room(ask.group_id):
                take(Joined(ErrorCode.COORDINATOR_NOT_AVAILABLE, ""))
                return
            self._create(ask.group_id)
        group = self._groups.get(ask.group_id)
        if group is None:
            take(Joined(UNKNOWN, ask.member_id))
        else:
            self._joins.join(group, ask, take)

    def sync(
        self,
        speaker: Speaker,
        protocol_type: str | None,
        protocol_name: str | None,
        assignments: Mapping[str, bytes],
        take: Callable[[Synced], None],
    ) -> None:
        """Tell a member its assignment; `take` gets it once the leader's word is durable."""
        if not speaker.group_id:
            take(Synced(ErrorCode.INVALID_GROUP_ID))
            return
        group = self._groups.get(speaker.group_id)
        code = self._check(group, speaker)
        if (
            code is NONE
            and group is not None
            and (
                protocol_type not in (None, group.protocol_type)
                or protocol_name not in (None, group.protocol_name)
            )
        ):
            code = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if code is not NONE or group is None:
            take(Synced(code))
            return
        member = group.members[speaker.member_id]
        answer = ANSWERS[group.state, Ask.SYNC]
        if isinstance(answer, ErrorCode):
            take(Synced(answer))
            return
        self._rebalances.synced(group, member.member_id)
        if answer is Then.PARK:
            member.wait_for_sync(take)
            if group.leader == member.member_id:
                self._rebalances.assign(group, assignments)
        else:
            refusal = Synced(ErrorCode.NOT_COORDINATOR)
            self.ledger.answer(group.synced(member), refusal, take)

    def heartbeat(self, speaker: Speaker) -> ErrorCode:
        """A member lives; REBALANCE_IN_PROGRESS tells it to join again."""
        if not speaker.group_id:
            return ErrorCode.INVALID_GROUP_ID
        group = self._groups.get(speaker.group_id)
        code = self._check(group, speaker)
        if code is not NONE or group is None:
            return code
        self._rebalances.expect_heartbeat(group, group.members[speaker.member_id])
        return _code(ANSWERS[group.state, Ask.HEARTBEAT])

    def leave(self, group_id: str, leaving: Iterable[tuple[str, str | None]]) -> list[ErrorCode]:
        """Let members go, each given as (member id, instance id); a code for each.

        Without a member id the instance id says who: so an administrator removes a static member.

        Raises:
            ApiError: there is no such group, for all of them.
        """
        if not group_id:
            raise ApiError(ErrorCode.INVALID_GROUP_ID, "the group id is empty")
        group = self._groups.get(group_id)
        if group is None:
            return [UNKNOWN for _ in leaving]
        codes = [self._leave(group, *each) for each in leaving]
        if NONE in codes:
            if group.state in (STABLE, COMPLETING):
                self._rebalances.begin_or_complete(group)
            elif group.state is PREPARING:
                self._rebalances.complete_if_ready(group)
        return codes

    def check_commit(self, speaker: Speaker, *, knows_missing: bool) -> ErrorCode:
        """Whether offsets may be committed; for a member it is a heartbeat as well.

        Args:
            knows_missing: OffsetCommit v9: an unknown group is GROUP_ID_NOT_FOUND.
        """
        group = self._groups.get(speaker.group_id)
        if group is None:
            if speaker.generation_id < 0:
                return NONE if self._has_room(speaker.group_id) else ErrorCode.NOT_COORDINATOR
            return ErrorCode.GROUP_ID_NOT_FOUND if knows_missing else ErrorCode.ILLEGAL_GENERATION
        if speaker.generation_id < 0 and group.state is EMPTY:
            return NONE
        if speaker.is_nobody:
            return _code(ANSWERS[group.state, Ask.COMMIT_ALONE])
        code = self._check(group, speaker)
        if code is NONE:
            code = _code(ANSWERS[group.state, Ask.COMMIT])
        if code is NONE:
            self._rebalances.expect_heartbeat(group, group.members[speaker.member_id])
        return code

    def commit(self, group_id: str, offsets: Sequence[tuple[str, int, OffsetCommitValue]]) -> None:
        """Write offsets as (topic, partition, value). Raises StorageError: none was written."""
        self.ledger.commit([OffsetRecord(group_id, *each) for each in offsets])
        if group_id not in self._groups:
            self._groups[group_id] = self._new_group(group_id)

    def has_room_for(
        self, group_id: str, topic: str, partition: int, value: OffsetCommitValue
    ) -> bool:
        """Whether an offset can be committed, as far as memory goes."""
        state = self.ledger.state
        had = state.of_group(group_id).get(topic, {}).get(partition)
        more_bytes = offset_bytes(value) - (0 if had is None else offset_bytes(had))
        return more_bytes <= 0 or state.offsets_bytes + more_bytes <= OFFSETS_BYTES_MAX

    def offsets_of(self, group_id: str) -> Offsets:
        """The committed offsets of a group; none for one that is not known."""
        return self.ledger.state.of_group(group_id)

    def state_of(self, group_id: str) -> GroupState:
        """A group's state; DEAD for one that is not known."""
        group = self._groups.get(group_id)
        return DEAD if group is None else group.state

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    @property
    def held_bytes(self) -> int:
        """What all groups hold, but for their offsets."""
        return self._tally.count_bytes

    def groups(self) -> Iterable[Group]:
        """Every group."""
        return self._groups.values()

    def find(self, group_id: str) -> Group | None:
        """A group, to be looked at; None if there is none of that id."""
        return self._groups.get(group_id)

    def delete(self, group_id: str) -> Generator[None, None, ErrorCode]:
        """Delete a group with its offsets, in steps.

        It goes in one write, unless it has very many offsets: then with the last of them, if
        nobody has joined by then. Raises StorageError: it was not deleted.
        """
        while True:
            answer = ANSWERS[self.state_of(group_id), Ask.DELETE]
            if answer is not Then.ANSWER:
                return _code(answer)
            removals = self.ledger.state.removals(group_id)
            if len(removals) <= OFFSETS_A_STEP:
                self._delete(self._groups[group_id], removals)
                return NONE
            for at in range(0, len(removals), OFFSETS_A_STEP):
                self.ledger.commit(removals[at : at + OFFSETS_A_STEP])
                yield
                if ANSWERS[self.state_of(group_id), Ask.DELETE] is not Then.ANSWER:
                    break

    def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]]
    ) -> list[ErrorCode]:
        """Delete committed offsets of (topic, partition); a code for each.

        Raises:
            ApiError: there is no such group, or its members may use any offset.
            StorageError: nothing was deleted.
        """
        if not group_id:
            raise ApiError(ErrorCode.INVALID_GROUP_ID, "the group id is empty")
        group = self._groups.get(group_id)
        if group is None:
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"there is no group {group_id}")
        if group.state is not EMPTY and group.protocol_type != CONSUMER:
            raise ApiError(ErrorCode.NON_EMPTY_GROUP, f"group {group_id} has members")
        codes: list[ErrorCode] = []
        records: list[StateRecord] = []
        for topic, partition in partitions:
            if group.is_subscribed_to(topic):
                codes.append(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
                continue
            codes.append(NONE)
            if partition in self.offsets_of(group_id).get(topic, {}):
                records.append(OffsetRecord(group_id, topic, partition, None))
        if records:
            self.ledger.commit(records)
        return codes

    def forget_topics(
        self, names: Iterable[str], pay: Callable[[Callable[[], None]], None]
    ) -> Generator[None, None, None]:
        """Topics were deleted: their offsets go, in steps. Raises StorageError.

        Args:
            pay: writes what makes room, also on a full disk (Reserve.pay).
        """
        for name in names:
            removals = self.ledger.state.removals_of_topic(name)
            for at in range(0, len(removals), OFFSETS_A_STEP):
                some = removals[at : at + OFFSETS_A_STEP]
                pay(partial(self.ledger.commit, some))
                yield

    def forget_topics_but(self, topic_ids: Container[bytes]) -> None:
        """Offsets of topics that a crash has left behind go: those whose id is none of these."""
        records: list[StateRecord] = [
            OffsetRecord(group_id, topic, partition, None)
            for group_id, topics in self.ledger.state.offsets.items()
            for topic, partitions in topics.items()
            for partition, value in partitions.items()
            if value.topic_id != ZERO_UUID and value.topic_id not in topic_ids
        ]
        if records:
            self.ledger.commit(records)

    def release_all(self) -> None:
        """Answer everyone who waits: the broker stops."""
        members = [each for group in self._groups.values() for each in group.members.values()]
        each_alone(members, _release, "releasing a member")

    def _load(self) -> None:
        """Groups as the log tells of them; their members have a session timeout to show up."""
        now_ms = self._clock.now_ms()
        for group_id, value in self.ledger.state.groups.items():
            group = self._groups[group_id] = Group.recorded(group_id, value, now_ms, self._tally)
            for member in group.members.values():
                self._rebalances.expect_heartbeat(group, member)
            if len(group.members) > self._joins.members_max:
                self._rebalances.begin(group)
        for group_id in self.ledger.state.offsets:
            if group_id not in self._groups:
                self._groups[group_id] = self._new_group(group_id)
        self._await_expiry()

    def _create(self, group_id: str) -> None:
        group = self._new_group(group_id)
        try:
            self.ledger.commit([GroupRecord(group_id, group.record({}))])
        except StorageError:
            group.leave_memory()
            raise
        self._groups[group_id] = group

    def _new_group(self, group_id: str) -> Group:
        return Group(group_id, self._clock.now_ms(), tally=self._tally)

    def _has_room(self, group_id: str) -> bool:
        """Whether there can be one group more."""
        more_bytes = GROUP_OWN_BYTES + len(group_id)
        return len(self._groups) < GROUPS_MAX and self._tally.has_room(more_bytes)

    def _check(self, group: Group | None, speaker: Speaker) -> ErrorCode:
        """Whether the speaker is a member of this generation: NONE, or why not."""
        if group is None:
            return UNKNOWN
        code = group.check_member(speaker.member_id, speaker.group_instance_id)
        if code is NONE and speaker.generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        return code

    def _leave(self, group: Group, member_id: str, group_instance_id: str | None) -> ErrorCode:
        if not member_id:
            member_id = group.static.get(group_instance_id or "", "")
            if not member_id:
                return UNKNOWN
        elif member_id not in group.pending:
            code = group.check_member(member_id, group_instance_id)
            if code is not NONE:
                return code
        self._rebalances.forget(group, member_id)
        return NONE

    def _delete(self, group: Group, removals: Sequence[StateRecord]) -> None:
        self.ledger.commit([*removals, GroupRecord(group.group_id, None)])
        self._rebalances.forget_group(group)
        del self._groups[group.group_id]

    def _await_expiry(self) -> None:
        at_ms = self._clock.monotonic_ms() + self._config.offsets_retention_check_interval_ms
        self.timers.set(_EXPIRY, at_ms, self._expire)

    def _expire(self) -> None:
        """Remove what has expired, and groups that are empty and have no offset left."""
        self._await_expiry()
        self.ledger.clock.keep()
        self._begin(self._expire_all())

    def _expire_all(self) -> Generator[None, None, None]:
        left = GROUPS_A_STEP
        for group in tuple(self._groups.values()):
            each_alone([group], self._expire_group, "expiring a group's offsets")
            left -= 1 + len(self.ledger.state.offsets.get(group.group_id, ()))
            if left <= 0:
                left = GROUPS_A_STEP
                yield

    def _expire_group(self, group: Group) -> None:
        if self._groups.get(group.group_id) is not group:
            return  # deleted meanwhile
        retention_ms = self._config.offsets_retention_minutes * 60_000
        offsets = self.offsets_of(group.group_id)
        removals = expired(group, offsets, self._clock.now_ms(), retention_ms)
        kept_count = sum(map(len, offsets.values())) - len(removals)
        with suppress(StorageError):  # tried again at the next check
            if kept_count == 0 and group.state is EMPTY:
                self._delete(group, removals)
            elif removals:
                self.ledger.commit(removals)


def _release(member: Member) -> None:
    member.answer_join(Joined(ErrorCode.NOT_COORDINATOR, member.member_id))
    member.answer_sync(Synced(ErrorCode.NOT_COORDINATOR))


def _code(answer: ErrorCode | Then) -> ErrorCode:
    return answer if isinstance(answer, ErrorCode) else NONE


def coordinator_code(code: ErrorCode) -> ErrorCode:
    """How a coordinator says that its log could not be written.

    Source: CoordinatorOperationExceptionHelper.handleOperationException.
    """
    return ErrorCode.NOT_COORDINATOR if code is ErrorCode.KAFKA_STORAGE_ERROR else code
