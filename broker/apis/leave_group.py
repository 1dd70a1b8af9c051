"""LeaveGroup (key 13), v0-v5. Source: LeaveGroupRequest.json, LeaveGroupResponse.json; KIP-345.

v3 several members at once, a static one by its instance id alone · v5 a reason, which nobody reads
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberResponse,
)
from ..broker import Broker
from ..groups.requests import coordinator_code
from ..security.rights.access import Whole
from ..session import Session
from ..waiting.long_work import Steps, finished

MANY_SINCE = 3
MEMBERS_A_STEP = 200

ACCESS = (Whole(AclOperation.READ, AclResourceType.GROUP, "group_id"),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Let members go; each has its own answer."""
    message: LeaveGroupRequest = request.message
    if request.route.version < MANY_SINCE:
        return LeaveGroupResponse(
            error_code=broker.groups.leave(message.group_id, [(message.member_id, None)])[0]
        )
    steps = _leave(broker, message)
    return finished(steps) if len(message.members) <= MEMBERS_A_STEP else steps


def _leave(broker: Broker, message: LeaveGroupRequest) -> Steps:
    members = []
    for at in range(0, max(len(message.members), 1), MEMBERS_A_STEP):
        if at:
            yield None
        leaving = message.members[at : at + MEMBERS_A_STEP]
        codes = broker.groups.leave(
            message.group_id, [(each.member_id, each.group_instance_id) for each in leaving]
        )
        members += [
            MemberResponse(
                member_id=each.member_id,
                group_instance_id=each.group_instance_id,
                error_code=code,
            )
            for each, code in zip(leaving, codes, strict=True)
        ]
    return LeaveGroupResponse(error_code=0, members=members)


def refusal(message: LeaveGroupRequest, code: ErrorCode, why: str) -> LeaveGroupResponse:
    """The response that lets nobody go."""
    return LeaveGroupResponse(error_code=coordinator_code(code))
