"""Members of classic groups on a stage, as far as TxnOffsetCommit asks who commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.describe_groups import DescribeGroupsRequest
from minibroker.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from minibroker.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

if TYPE_CHECKING:
    from tests.support.transactions.stage import Stage

LONG_MS = 60_000
NEEDS_AN_ID = 79  # MEMBER_ID_REQUIRED


class Member:
    """A member of a group; whatever waits for others waits on a connection of its own.

    Attributes:
        id, generation: as it was told.
    """

    def __init__(
        self, stage: Stage, group: str, connection: Connection, instance: str | None
    ) -> None:
        self.id = ""
        self.generation = -1
        self._stage = stage
        self._group = stage.groups.name(group)
        self._connection = connection
        self._instance = instance

    async def join(self) -> None:
        """JoinGroup; who comes without an id comes again with the one that it is told."""
        answer = await self._join()
        if answer.error_code == NEEDS_AN_ID:
            self.id = answer.member_id
            answer = await self._join()
        assert answer.error_code == 0, answer
        self.id, self.generation = answer.member_id, answer.generation_id

    async def _join(self) -> Any:
        request = JoinGroupRequest(
            group_id=self._group,
            session_timeout_ms=LONG_MS // 2,
            rebalance_timeout_ms=LONG_MS,
            member_id=self.id,
            group_instance_id=self._instance,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=bytes(10))],
        )
        return await self._stage.ask(request, 7, on=self._connection)

    async def sync(self) -> None:
        """SyncGroup, as the leader."""
        given = [SyncGroupRequestAssignment(member_id=self.id, assignment=b"all")]
        request = SyncGroupRequest(
            group_id=self._group,
            generation_id=self.generation,
            member_id=self.id,
            group_instance_id=self._instance,
            protocol_type="consumer",
            protocol_name="range",
            assignments=given,
        )
        answer = await self._stage.ask(request, 5, on=self._connection)
        assert answer.error_code == 0, answer


async def member_of(stage: Stage, group: str, instance: str | None = None) -> Member:
    """Somebody who will be a member."""
    return Member(stage, group, await stage.connect(), instance)


async def state_of(stage: Stage, group: str) -> str:
    """What DescribeGroups says."""
    request = DescribeGroupsRequest(groups=[stage.groups.name(group)])
    return str((await stage.ask(request, 5)).groups[0].group_state)
