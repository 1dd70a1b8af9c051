"""Which groups there are: as the log tells of them, as they are made, until they are deleted.

Tests: tests/unit/broker/groups/test_states.py, tests/unit/broker/groups/test_ledger.py
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from ...protocol.errors import ErrorCode
from ..limits import GROUPS_MAX
from ..storage.port import StorageError
from ..world import Clock
from .members import Group
from .rebalances import Ledger, Rebalances
from .records import GroupRecord, StateRecord
from .sizes import GROUP_OWN_BYTES, Tally
from .states import ANSWERS, DEAD, Ask, GroupState, Then, code_of

OFFSETS_A_STEP = 300  # that are written at once


class Roster:
    """All groups of a broker."""

    def __init__(self, ledger: Ledger, clock: Clock, rebalances: Rebalances) -> None:
        self._ledger = ledger
        self._clock = clock
        self._rebalances = rebalances
        self._groups: dict[str, Group] = {}
        self._tally = Tally()

    def load(self, members_max: int) -> None:
        """Groups as the log tells of them; their members have a session timeout to show up."""
        now_ms = self._clock.now_ms()
        for group_id, value in self._ledger.state.groups.items():
            group = self._groups[group_id] = Group.recorded(group_id, value, now_ms, self._tally)
            for member in group.members.values():
                self._rebalances.expect_heartbeat(group, member)
            if len(group.members) > members_max:
                self._rebalances.begin(group)
        state = self._ledger.state
        for group_id in (*state.offsets, *state.pending.groups()):
            self.know(group_id)

    def find(self, group_id: str) -> Group | None:
        """A group; None if there is none of that id."""
        return self._groups.get(group_id)

    def state_of(self, group_id: str) -> GroupState:
        """A group's state; DEAD for one that is not known."""
        group = self._groups.get(group_id)
        return DEAD if group is None else group.state

    def all(self) -> Iterable[Group]:
        """Every group."""
        return self._groups.values()

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    @property
    def held_bytes(self) -> int:
        """What all groups hold, but for their offsets."""
        return self._tally.count_bytes

    def has_room(self, group_id: str) -> bool:
        """Whether there can be one group more."""
        more_bytes = GROUP_OWN_BYTES + len(group_id)
        return len(self._groups) < GROUPS_MAX and self._tally.has_room(more_bytes)

    def create(self, group_id: str) -> Group:
        """A new group, for members. Raises StorageError: there is none."""
        group = self._new(group_id)
        try:
            self._ledger.commit([GroupRecord(group_id, group.record({}))])
        except StorageError:
            group.leave_memory()
            raise
        self._groups[group_id] = group
        return group

    def know(self, group_id: str) -> None:
        """There are offsets of this group, or pending ones, so there is the group."""
        if group_id not in self._groups:
            self._groups[group_id] = self._new(group_id)

    def delete(self, group_id: str) -> Generator[None, None, ErrorCode]:
        """Delete a group with its offsets, in steps.

        It goes in one write, unless it has very many offsets: then with the last of them, if
        nobody has joined by then and no transaction has committed to it.
        Raises StorageError: it was not deleted.
        """
        while (code := self._may_delete(group_id)) is ErrorCode.NONE:
            removals = self._ledger.state.removals(group_id)
            if len(removals) <= OFFSETS_A_STEP:
                self.remove(self._groups[group_id], removals)
                return code
            for at in range(0, len(removals), OFFSETS_A_STEP):
                self._ledger.commit(removals[at : at + OFFSETS_A_STEP])
                yield
                if self._may_delete(group_id) is not ErrorCode.NONE:
                    break
        return code

    def _may_delete(self, group_id: str) -> ErrorCode:
        # 1. offsets are pending in a group without members  2. the group is deleted, they with it
        # 3. the transaction commits: its records are there, its offsets are not, and what was read
        # for them is read again. So the group is deleted when the transaction has ended.
        answer = ANSWERS[self.state_of(group_id), Ask.DELETE]
        if answer is Then.UNLESS_PENDING and self._ledger.state.pending.in_group(group_id):
            return ErrorCode.NON_EMPTY_GROUP
        return code_of(answer)

    def remove(self, group: Group, removals: Sequence[StateRecord]) -> None:
        """A group goes in one write with what is left of its offsets.

        Raises:
            StorageError: it was not deleted.
        """
        self._ledger.commit([*removals, GroupRecord(group.group_id, None)])
        self._rebalances.forget_group(group)
        del self._groups[group.group_id]

    def _new(self, group_id: str) -> Group:
        return Group(group_id, self._clock.now_ms(), tally=self._tally)
