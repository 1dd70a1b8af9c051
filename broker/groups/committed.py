"""Committed offsets: who may commit, what is deleted, and what goes by itself.

What is asked is answered by the table in states.py, as for members (coordinator.py). An offset goes
when somebody deletes it, with its topic, with its group, or when it expires (offsets.py).
Source: Kafka's OffsetMetadataManager, ClassicGroup.validateOffsetCommit, validateOffsetDelete.
Tests: tests/unit/broker/groups/test_expiry.py, tests/simulation/test_group_world.py
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Generator, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ...protocol.codec.schema import ZERO_UUID
from ...protocol.errors import ApiError, ErrorCode
from ..config.broker import BrokerConfig
from ..limits import OFFSETS_BYTES_MAX
from ..storage.port import StorageError
from ..waiting.isolation import each_alone
from ..waiting.timers import Timers
from ..world import Clock
from .members import CONSUMER, Group
from .offsets import Offsets, expired
from .pending import Where
from .rebalances import Ledger, Rebalances
from .records import OffsetCommitValue, OffsetRecord, StateRecord
from .requests import Speaker
from .roster import OFFSETS_A_STEP, Roster
from .sizes import offset_bytes
from .states import ANSWERS, DEAD, EMPTY, Ask, Then, code_of

NONE = ErrorCode.NONE
GROUPS_A_STEP = 100  # that are looked at at once
_EXPIRY = ("expiry", "", "")


class CommittedOffsets:
    """The offsets of all groups.

    Args:
        begin: LongWork.begin_ahead.
    """

    def __init__(
        self,
        config: BrokerConfig,
        ledger: Ledger,
        clock: Clock,
        timers: Timers,
        *,
        roster: Roster,
        rebalances: Rebalances,
        begin: Callable[[Generator[None, Any, None]], object],
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self._timers = timers
        self._roster = roster
        self._rebalances = rebalances
        self._begin = begin
        self._await_expiry()

    def check_commit(self, speaker: Speaker, *, knows_missing: bool) -> ErrorCode:
        """Whether offsets may be committed; for a member it is a heartbeat as well.

        Args:
            knows_missing: OffsetCommit v9: an unknown group is GROUP_ID_NOT_FOUND.
        """
        group = self._roster.find(speaker.group_id)
        state = DEAD if group is None else group.state
        # Without a generation anybody may commit to a group without members, whatever its name.
        if speaker.is_nobody or (speaker.generation_id < 0 and state in (EMPTY, DEAD)):
            answer = ANSWERS[state, Ask.COMMIT_ALONE]
            if answer is Then.CREATE:
                has_room = self._roster.has_room(speaker.group_id)
                return NONE if has_room else ErrorCode.NOT_COORDINATOR
            return code_of(answer)
        code = code_of(ANSWERS[state, Ask.COMMIT])
        if group is None:
            return ErrorCode.GROUP_ID_NOT_FOUND if knows_missing else code
        wrong = speaker.check(group)
        if wrong is not NONE:
            return wrong
        if code is NONE:
            self._rebalances.expect_heartbeat(group, group.members[speaker.member_id])
        return code

    def commit(self, group_id: str, offsets: Sequence[tuple[str, int, OffsetCommitValue]]) -> None:
        """Write offsets as (topic, partition, value). Raises StorageError: none was written."""
        self._ledger.commit([OffsetRecord(group_id, *each) for each in offsets])
        self._roster.know(group_id)

    def has_room_for(
        self, group_id: str, topic: str, partition: int, value: OffsetCommitValue
    ) -> bool:
        """Whether an offset can be committed, as far as memory goes."""
        state = self._ledger.state
        had = state.of_group(group_id).get(topic, {}).get(partition)
        more_bytes = offset_bytes(value) - (0 if had is None else offset_bytes(had))
        return more_bytes <= 0 or state.offsets_bytes + more_bytes <= OFFSETS_BYTES_MAX

    @property
    def held_bytes(self) -> int:
        """What all offsets take, committed and pending."""
        return self._ledger.state.offsets_bytes

    def of_group(self, group_id: str) -> Offsets:
        """The committed offsets of a group; none for one that is not known."""
        return self._ledger.state.of_group(group_id)

    def unstable_in(self, group_id: str) -> Collection[Where]:
        """Topics and partitions of a group for which a transaction has an offset pending."""
        return self._ledger.state.pending.in_group(group_id)

    def delete(self, group_id: str, partitions: Sequence[tuple[str, int]]) -> list[ErrorCode]:
        """Delete committed offsets of (topic, partition); a code for each. Pending ones stay.

        Raises:
            ApiError: there is no such group, or its members may use any offset.
            StorageError: nothing was deleted.
        """
        if not group_id:
            raise ApiError(ErrorCode.INVALID_GROUP_ID, "the group id is empty")
        group = self._roster.find(group_id)
        answer = ANSWERS[DEAD if group is None else group.state, Ask.DELETE_OFFSETS]
        if group is None:
            raise ApiError(code_of(answer), f"there is no group {group_id}")
        if answer is Then.UNLESS_CONSUMED and group.protocol_type != CONSUMER:
            raise ApiError(ErrorCode.NON_EMPTY_GROUP, f"group {group_id} has members")
        codes: list[ErrorCode] = []
        records: list[StateRecord] = []
        for topic, partition in partitions:
            if group.is_subscribed_to(topic):
                codes.append(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
                continue
            codes.append(NONE)
            if partition in self.of_group(group_id).get(topic, {}):
                records.append(OffsetRecord(group_id, topic, partition, None))
        if records:
            self._ledger.commit(records)
        return codes

    def forget_topics(
        self, names: Iterable[str], pay: Callable[[Callable[[], None]], None]
    ) -> Generator[None, None, None]:
        """Topics were deleted: their offsets go, in steps. Raises StorageError.

        Args:
            pay: writes what makes room, also on a full disk (Reserve.pay).
        """
        for name in names:
            # First what is pending: committed meanwhile, it would be among the others.
            gone = partial(_is_of, name)
            for pending in self._ledger.state.pending.removals(OFFSETS_A_STEP, gone):
                pay(partial(self._ledger.commit, pending))
                yield
            removals = self._ledger.state.removals_of_topic(name)
            for at in range(0, len(removals), OFFSETS_A_STEP):
                some = removals[at : at + OFFSETS_A_STEP]
                pay(partial(self._ledger.commit, some))
                yield

    def forget_topics_but(self, topic_ids: Container[bytes]) -> None:
        """Offsets of topics that a crash has left behind go: those whose id is none of these.

        Pending ones as well: a topic of the same name would get them with the marker.
        """

        def is_gone(topic: str, value: OffsetCommitValue) -> bool:
            return value.topic_id != ZERO_UUID and value.topic_id not in topic_ids

        for pending in self._ledger.state.pending.removals(OFFSETS_A_STEP, is_gone):
            self._ledger.commit(pending)
        records: list[StateRecord] = [
            OffsetRecord(group_id, topic, partition, None)
            for group_id, topics in self._ledger.state.offsets.items()
            for topic, partitions in topics.items()
            for partition, value in partitions.items()
            if is_gone(topic, value)
        ]
        if records:
            self._ledger.commit(records)

    def _await_expiry(self) -> None:
        at_ms = self._clock.monotonic_ms() + self._config.offsets_retention_check_interval_ms
        self._timers.set(_EXPIRY, at_ms, self._expire)

    def _expire(self) -> None:
        """Remove what has expired, and groups that are empty and have no offset left."""
        self._await_expiry()
        self._ledger.clock.keep()
        self._begin(self._expire_all())

    def _expire_all(self) -> Generator[None, None, None]:
        left = GROUPS_A_STEP
        for group in tuple(self._roster.all()):
            each_alone([group], self._expire_group, "expiring a group's offsets")
            left -= 1 + len(self._ledger.state.offsets.get(group.group_id, ()))
            if left <= 0:
                left = GROUPS_A_STEP
                yield

    def _expire_group(self, group: Group) -> None:
        if self._roster.find(group.group_id) is not group:
            return  # deleted meanwhile
        retention_ms = self._config.offsets_retention_minutes * 60_000
        offsets = self.of_group(group.group_id)
        unstable = self._ledger.state.pending.in_group(group.group_id)
        removals = expired(group, offsets, unstable, self._clock.now_ms(), retention_ms)
        kept_count = sum(map(len, offsets.values())) - len(removals)
        with suppress(StorageError):  # tried again at the next check
            if kept_count == 0 and group.state is EMPTY and not unstable:
                self._roster.remove(group, removals)
            elif removals:
                self._ledger.commit(removals)


def _is_of(name: str, topic: str, value: OffsetCommitValue) -> bool:
    return topic == name
