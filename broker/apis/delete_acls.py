"""DeleteAcls (key 31), v1-v3. Source: DeleteAclsRequest.json, DeleteAclsResponse.json; KIP-140.

v2 flexible · v3 user resources
Ours: there is no authorizer, and so the answer of a Kafka without one: 54 for each.
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.delete_acls import (
    DeleteAclsFilterResult,
    DeleteAclsRequest,
    DeleteAclsResponse,
)
from ..broker import Broker
from ..session import Session
from .create_acls import NO_AUTHORIZER
from .describe_acls import refuse_unknown


def handle(broker: Broker, request: Request, session: Session) -> DeleteAclsResponse:
    """There are none to delete."""
    message: DeleteAclsRequest = request.message
    for each in message.filters:
        refuse_unknown(
            (
                each.resource_type_filter,
                each.pattern_type_filter,
                each.operation,
                each.permission_type,
            )
        )
    raise ApiError(ErrorCode.SECURITY_DISABLED, NO_AUTHORIZER)


def refusal(message: DeleteAclsRequest, code: ErrorCode, why: str) -> DeleteAclsResponse:
    """The response that deletes nothing."""
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(error_code=code, error_message=why, matching_acls=[])
            for _ in message.filters
        ]
    )
