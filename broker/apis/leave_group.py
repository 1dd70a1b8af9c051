"""LeaveGroup (key 13), v0-v5. Source: LeaveGroupRequest.json, LeaveGroupResponse.json; KIP-345.

v3 several members at once, a static one by its instance id alone · v5 a reason, which nobody reads
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from ..broker import Broker
from ..groups.coordinator import coordinator_code
from ..session import Session

MANY_SINCE = 3


def handle(broker: Broker, request: Request, session: Session) -> LeaveGroupResponse:
    """Let members go; each has its own answer."""
    message: LeaveGroupRequest = request.message
    is_one = request.route.version < MANY_SINCE
    leaving = [MemberIdentity(member_id=message.member_id)] if is_one else message.members
    codes = broker.groups.leave(
        message.group_id, [(each.member_id, each.group_instance_id) for each in leaving]
    )
    if is_one:
        return LeaveGroupResponse(error_code=codes[0])
    return LeaveGroupResponse(
        error_code=0,
        members=[
            MemberResponse(
                member_id=each.member_id,
                group_instance_id=each.group_instance_id,
                error_code=code,
            )
            for each, code in zip(leaving, codes, strict=True)
        ],
    )


def refusal(message: LeaveGroupRequest, code: ErrorCode, why: str) -> LeaveGroupResponse:
    """The response that lets nobody go."""
    return LeaveGroupResponse(error_code=coordinator_code(code))
