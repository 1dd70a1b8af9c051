"""What is asked of groups: a join, and who speaks in everything else.

Source: JoinGroupRequest.json; KIP-345 (instance ids), KIP-394, KIP-814.
Tests: tests/unit/broker/groups/test_joins.py
"""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.errors import ErrorCode
from .members import Group
from .sizes import ENTRY_BYTES, Protocols, protocols_bytes


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

    @property
    def held_bytes(self) -> int:
        """About what a member takes that joins like this: its id is made of one of the others."""
        names = (self.member_id, self.client_id, self.client_id, self.group_instance_id or "")
        return protocols_bytes(self.protocols) + sum(ENTRY_BYTES + len(name) for name in names)


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

    def check(self, group: Group) -> ErrorCode:
        """Whether it is a member of the group's present generation: NONE, or why not."""
        code = group.check_member(self.member_id, self.group_instance_id)
        if code is ErrorCode.NONE and self.generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        return code


def coordinator_code(code: ErrorCode) -> ErrorCode:
    """How a coordinator says that its log could not be written.

    Source: CoordinatorOperationExceptionHelper.handleOperationException.
    """
    return ErrorCode.NOT_COORDINATOR if code is ErrorCode.KAFKA_STORAGE_ERROR else code
