"""JoinGroup (key 11), v0-v9. Source: JoinGroupRequest.json; KIP-62, KIP-345, KIP-394, KIP-814.

v1 rebalance timeout · v4 a new member is told its id first · v5 static members · v9 a static leader
that comes back need not assign
Ours: the first rebalance of a group is not delayed (group.initial.rebalance.delay.ms is 0), but for
    members that are about to join. Of two joins of one member that wait at the same time the older
    is answered 27 REBALANCE_IN_PROGRESS.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from ..broker import Broker
from ..groups.members import Joined
from ..groups.requests import Join, coordinator_code
from ..security.rights.access import Whole
from ..session import Session
from ..waiting.promise import Promise, then

ID_FIRST_SINCE = 4
NULL_PROTOCOL_SINCE = 7
SKIP_ASSIGNMENT_SINCE = 9

ACCESS = (Whole(AclOperation.READ, AclResourceType.GROUP, "group_id"),)


def handle(broker: Broker, request: Request, session: Session) -> JoinGroupResponse | Promise:
    """Join; answered when the generation begins."""
    message: JoinGroupRequest = request.message
    version = request.route.version
    rebalance_ms = message.rebalance_timeout_ms
    ask = Join(
        group_id=message.group_id,
        member_id=message.member_id,
        group_instance_id=message.group_instance_id,
        client_id=request.client_id or "",
        client_host=session.client_host,
        session_timeout_ms=message.session_timeout_ms,
        rebalance_timeout_ms=message.session_timeout_ms if rebalance_ms < 0 else rebalance_ms,
        protocol_type=message.protocol_type,
        protocols=tuple((each.name, each.metadata) for each in message.protocols),
        gets_id_first=version >= ID_FIRST_SINCE,
        can_skip_assignment=version >= SKIP_ASSIGNMENT_SINCE,
    )
    return then(broker.groups.join(ask), lambda joined: _response(joined, version))


def refusal(message: JoinGroupRequest, code: ErrorCode, why: str) -> JoinGroupResponse:
    """The response that lets nobody join."""
    return _response(Joined(coordinator_code(code), ""), 0)


def _response(joined: Joined, version: int) -> JoinGroupResponse:
    protocol_name = joined.protocol_name
    if protocol_name is None and version < NULL_PROTOCOL_SINCE:
        protocol_name = ""
    return JoinGroupResponse(
        error_code=joined.code,
        generation_id=joined.generation_id,
        protocol_type=joined.protocol_type,
        protocol_name=protocol_name,
        leader=joined.leader,
        skip_assignment=joined.skip_assignment,
        member_id=joined.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=member_id, group_instance_id=group_instance_id, metadata=metadata
            )
            for member_id, group_instance_id, metadata in joined.members
        ],
    )
