"""Heartbeat (key 12), v0-v4. Source: HeartbeatRequest.json, HeartbeatResponse.json; KIP-345.

v3 static members · v4 flexible
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..broker import Broker
from ..groups.requests import Speaker
from ..security.rights.access import Whole
from ..session import Session

ACCESS = (Whole(AclOperation.READ, AclResourceType.GROUP, "group_id"),)


def handle(broker: Broker, request: Request, session: Session) -> HeartbeatResponse:
    """Keep a member's session; 27 tells it to join again."""
    message: HeartbeatRequest = request.message
    speaker = Speaker(
        message.group_id, message.generation_id, message.member_id, message.group_instance_id
    )
    return HeartbeatResponse(error_code=broker.groups.heartbeat(speaker))


def refusal(message: HeartbeatRequest, code: ErrorCode, why: str) -> HeartbeatResponse:
    """The response that keeps nothing."""
    return HeartbeatResponse(error_code=code)
