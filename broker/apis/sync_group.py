"""SyncGroup (key 14), v0-v5. Source: SyncGroupRequest.json, SyncGroupResponse.json; KIP-559.

v3 static members · v5 protocol type and name, which must be there and right
Ours: the assignment is answered when it is durable.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from ..broker import Broker
from ..groups.members import Synced
from ..groups.requests import Speaker, coordinator_code
from ..security.rights.access import Whole
from ..session import Session
from ..waiting.promise import Promise, then

PROTOCOL_SINCE = 5

ACCESS = (Whole(AclOperation.READ, AclResourceType.GROUP, "group_id"),)


def handle(broker: Broker, request: Request, session: Session) -> SyncGroupResponse | Promise:
    """Give a member its assignment, once the leader has made it."""
    message: SyncGroupRequest = request.message
    if request.route.version >= PROTOCOL_SINCE and None in (
        message.protocol_type,
        message.protocol_name,
    ):
        why = "a sync names the protocol"
        return refusal(message, ErrorCode.INCONSISTENT_GROUP_PROTOCOL, why)
    speaker = Speaker(
        message.group_id, message.generation_id, message.member_id, message.group_instance_id
    )
    assignments = {each.member_id: each.assignment for each in message.assignments}
    synced = broker.groups.sync(speaker, message.protocol_type, message.protocol_name, assignments)
    return then(synced, _response)


def refusal(message: SyncGroupRequest, code: ErrorCode, why: str) -> SyncGroupResponse:
    """The response that assigns nothing."""
    return _response(Synced(coordinator_code(code)))


def _response(synced: Synced) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=synced.code,
        protocol_type=synced.protocol_type,
        protocol_name=synced.protocol_name,
        assignment=synced.assignment,
    )
