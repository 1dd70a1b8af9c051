"""DescribeAcls (key 29), v1-v3. Source: DescribeAclsRequest.json, ...Response.json; KIP-140.

v2 flexible · v3 user resources
Ours: there is no authorizer, and so the answer of a Kafka without one: 54 SECURITY_DISABLED. A
    request with an UNKNOWN element (0) breaks Kafka's rules: the connection ends, as there.
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from ..broker import Broker
from ..session import CloseConnection, Session

UNKNOWN = 0


def handle(broker: Broker, request: Request, session: Session) -> DescribeAclsResponse:
    """There are none to describe."""
    asked: DescribeAclsRequest = request.message
    refuse_unknown(
        (
            asked.resource_type_filter,
            asked.pattern_type_filter,
            asked.operation,
            asked.permission_type,
        )
    )
    raise ApiError(ErrorCode.SECURITY_DISABLED, "No Authorizer is configured on the broker")


def refusal(message: DescribeAclsRequest, code: ErrorCode, why: str) -> DescribeAclsResponse:
    """The response that describes nothing."""
    return DescribeAclsResponse(error_code=code, error_message=why, resources=[])


def refuse_unknown(elements: tuple[int, ...]) -> None:
    """Kafka takes none of the enumerations of an ACL as UNKNOWN.

    Raises:
        CloseConnection: one of them is. Source: DescribeAclsRequest.normalizeAndValidate.
    """
    if UNKNOWN in elements:
        raise CloseConnection("an ACL, or a filter of ACLs, contains UNKNOWN elements")
