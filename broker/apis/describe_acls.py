"""DescribeAcls (key 29), v1-v3. Source: DescribeAclsRequest.json, ...Response.json; KIP-140.

v2 flexible · v3 user resources
Ours: without an authorizer the answer of a Kafka without one: 54 SECURITY_DISABLED. A request with
    an UNKNOWN element (0) breaks Kafka's rules: the connection ends, as there.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.delete_acls import DeleteAclsFilter
from ...protocol.messages.describe_acls import (
    AclDescription,
    DescribeAclsRequest,
    DescribeAclsResource,
    DescribeAclsResponse,
)
from ..broker import Broker
from ..cluster.acls import AclFilter
from ..security.rights.access import Cluster
from ..session import CloseConnection, Session
from ..waiting.long_work import Steps

UNKNOWN = 0
RULES_A_STEP = 500

ACCESS = (Cluster(AclOperation.DESCRIBE),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """The rules that a filter means, by what they are about."""
    asked: DescribeAclsRequest = request.message
    refuse_unknown(
        (
            asked.resource_type_filter,
            asked.pattern_type_filter,
            asked.operation,
            asked.permission_type,
        )
    )
    if not broker.config.authorizer_class_name:
        raise ApiError(ErrorCode.SECURITY_DISABLED, "No Authorizer is configured on the broker")
    wanted = filter_of(asked)
    resources: dict[tuple[int, str, int], DescribeAclsResource] = {}
    for number, acl in enumerate([*broker.state.acls], 1):
        if wanted.matches(acl):
            resource = resources.get(acl.pattern)
            if resource is None:
                resource = resources[acl.pattern] = DescribeAclsResource(
                    resource_type=acl.resource_type,
                    resource_name=acl.name,
                    pattern_type=acl.pattern_type,
                    acls=[],
                )
            resource.acls.append(
                AclDescription(
                    principal=acl.principal,
                    host=acl.host,
                    operation=acl.operation,
                    permission_type=acl.permission,
                )
            )
        if not number % RULES_A_STEP:
            yield None
    return DescribeAclsResponse(error_code=0, error_message="", resources=[*resources.values()])


def refusal(message: DescribeAclsRequest, code: ErrorCode, why: str) -> DescribeAclsResponse:
    """The response that describes nothing."""
    return DescribeAclsResponse(error_code=code, error_message=why, resources=[])


def filter_of(asked: DescribeAclsRequest | DeleteAclsFilter) -> AclFilter:
    """What is asked for; both requests name it alike."""
    return AclFilter(
        asked.resource_type_filter,
        asked.resource_name_filter,
        asked.pattern_type_filter,
        asked.principal_filter,
        asked.host_filter,
        asked.operation,
        asked.permission_type,
    )


def refuse_unknown(elements: tuple[int, ...]) -> None:
    """Kafka takes none of the enumerations of an ACL as UNKNOWN.

    Raises:
        CloseConnection: one of them is. Source: DescribeAclsRequest.normalizeAndValidate.
    """
    if UNKNOWN in elements:
        raise CloseConnection("an ACL, or a filter of ACLs, contains UNKNOWN elements")
