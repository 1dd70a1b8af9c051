"""CreateAcls (key 30), v1-v3. Source: CreateAclsRequest.json, CreateAclsResponse.json; KIP-140.

v2 flexible · v3 user resources
Ours: there is no authorizer, and so the answer of a Kafka without one: 54 for each.
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.create_acls import (
    AclCreationResult,
    CreateAclsRequest,
    CreateAclsResponse,
)
from ..broker import Broker
from ..session import Session
from .describe_acls import refuse_unknown

NO_AUTHORIZER = "No Authorizer is configured."


def handle(broker: Broker, request: Request, session: Session) -> CreateAclsResponse:
    """None can be created."""
    message: CreateAclsRequest = request.message
    for each in message.creations:
        refuse_unknown(
            (
                each.resource_type,
                each.resource_pattern_type,
                each.operation,
                each.permission_type,
            )
        )
    raise ApiError(ErrorCode.SECURITY_DISABLED, NO_AUTHORIZER)


def refusal(message: CreateAclsRequest, code: ErrorCode, why: str) -> CreateAclsResponse:
    """The response that creates nothing."""
    return CreateAclsResponse(
        results=[AclCreationResult(error_code=code, error_message=why) for _ in message.creations]
    )
