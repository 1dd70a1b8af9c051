"""FindCoordinator (key 10), v0-v5. Source: FindCoordinatorRequest.json, ...Response.json; KIP-699.

v1 key_type · v3 flexible · v4 many keys at once
Ours: one node coordinates everything, so it names itself for any group or transactional id, also
    for an empty one, as Kafka does. Its word for "no error" is "NONE" before v4, and "" since.
    librdkafka enables lz4 only where this API is advertised.
Left out: share groups (key type 2), refused like a type that nobody knows.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from ..broker import Broker
from ..security.rights.access import (
    REFUSALS,
    Admitting,
    Gate,
    Part,
    Rule,
    parted,
    refuse,
    with_field,
)
from ..session import Session
from ..waiting.long_work import Steps

GROUP, TRANSACTION = KEY_TYPES = (0, 1)
MANY_SINCE = 4
NO_ERROR_BEFORE_MANY = "NONE"
KEYS_A_STEP = 300

RIGHTS = {GROUP: AclResourceType.GROUP, TRANSACTION: AclResourceType.TRANSACTIONAL_ID}


class Rights(Rule):
    """Describe on each group or transactional id."""

    def admit(self, gate: Gate, message: FindCoordinatorRequest) -> Admitting:
        """Refuse the one key, or take out those that are refused."""
        kind = RIGHTS.get(message.key_type)
        if kind is None:
            return message, ()
        if gate.version < MANY_SINCE:
            if not gate.may(AclOperation.DESCRIBE, kind, message.key):
                raise refuse(kind)
            return message, ()
        kept, refused = yield from parted(
            message.coordinator_keys, lambda key: gate.may(AclOperation.DESCRIBE, kind, key)
        )
        told = with_field(message, "coordinator_keys", refused)
        part = Part(told, "coordinators", REFUSALS[kind][0], "")
        return with_field(message, "coordinator_keys", kept), (part,) if refused else ()


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Name this node."""
    message: FindCoordinatorRequest = request.message
    if message.key_type not in KEY_TYPES:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"key type {message.key_type}")
    node_id = broker.config.node_id
    if request.route.version >= MANY_SINCE:
        return _many(node_id, message.coordinator_keys, session)
    return FindCoordinatorResponse(
        error_code=0,
        error_message=NO_ERROR_BEFORE_MANY,
        node_id=node_id,
        host=session.host,
        port=session.port,
    )


def _many(node_id: int, keys: list[str], session: Session) -> Steps:
    coordinators = []
    for number, key in enumerate(keys, 1):
        coordinators.append(
            Coordinator(
                key=key,
                node_id=node_id,
                host=session.host,
                port=session.port,
                error_code=0,
                error_message="",
            )
        )
        if not number % KEYS_A_STEP:
            yield None
    return FindCoordinatorResponse(coordinators=coordinators)


def refusal(message: FindCoordinatorRequest, code: ErrorCode, why: str) -> FindCoordinatorResponse:
    """The response that refuses a request, in the old form and the new."""
    return FindCoordinatorResponse(
        error_code=code,
        error_message=why,
        node_id=-1,
        host="",
        port=-1,
        coordinators=[
            Coordinator(key=key, node_id=-1, host="", port=-1, error_code=code, error_message=why)
            for key in message.coordinator_keys
        ],
    )
