"""DeleteAcls (key 31), v1-v3. Source: DeleteAclsRequest.json, DeleteAclsResponse.json; KIP-140.

v2 flexible · v3 user resources
Ours: answered when it is durable, in every durability that has a disk. Without an authorizer the
    answer is that of a Kafka without one: 54 for each.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.delete_acls import (
    DeleteAclsFilter,
    DeleteAclsFilterResult,
    DeleteAclsMatchingAcl,
    DeleteAclsRequest,
    DeleteAclsResponse,
)
from ..broker import Broker
from ..cluster.acls import Acl
from ..cluster.records import AclRemovedRecord
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps
from .create_acls import NO_AUTHORIZER
from .describe_acls import RULES_A_STEP, filter_of, refuse_unknown

ACCESS = (Cluster(AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Delete what each filter means; what an earlier one has deleted is told there alone."""
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
    if not broker.config.authorizer_class_name:
        raise ApiError(ErrorCode.SECURITY_DISABLED, NO_AUTHORIZER)
    results = []
    for each in message.filters:
        found = yield from _found(broker, each)
        for at in range(0, len(found), RULES_A_STEP):
            broker.change_security([*map(AclRemovedRecord, found[at : at + RULES_A_STEP])])
            yield None
        results.append(_result(found))
    return broker.when_durable(
        DeleteAclsResponse(filter_results=results),
        lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, "it could not be made durable"),
    )


def _found(broker: Broker, asked: DeleteAclsFilter) -> Steps:
    wanted = filter_of(asked)
    found: list[Acl] = []
    for number, acl in enumerate([*broker.state.acls], 1):
        if wanted.matches(acl):
            found.append(acl)
        if not number % RULES_A_STEP:
            yield None
    return [each for each in found if each in broker.state.acls]


def refusal(message: DeleteAclsRequest, code: ErrorCode, why: str) -> DeleteAclsResponse:
    """The response that deletes nothing."""
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(error_code=code, error_message=why, matching_acls=[])
            for _ in message.filters
        ]
    )


def _result(found: list[Acl]) -> DeleteAclsFilterResult:
    return DeleteAclsFilterResult(
        error_code=0,
        error_message=None,
        matching_acls=[
            DeleteAclsMatchingAcl(
                error_code=0,
                error_message=None,
                resource_type=acl.resource_type,
                resource_name=acl.name,
                pattern_type=acl.pattern_type,
                principal=acl.principal,
                host=acl.host,
                operation=acl.operation,
                permission_type=acl.permission,
            )
            for acl in found
        ],
    )
