"""CreateAcls (key 30), v1-v3. Source: CreateAclsRequest.json, CreateAclsResponse.json; KIP-140.

v2 flexible · v3 user resources
Ours: answered when the rules are durable, in every durability that has a disk. Without an
    authorizer the answer is that of a Kafka without one: 54 for each.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused, shortened
from ...protocol.messages.create_acls import (
    AclCreation,
    AclCreationResult,
    CreateAclsRequest,
    CreateAclsResponse,
)
from ..broker import Broker
from ..cluster.acl_changes import plan_acl
from ..cluster.acls import Acl
from ..cluster.records import AclRecord
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps
from .describe_acls import refuse_unknown

NO_AUTHORIZER = "No Authorizer is configured."
RULES_A_STEP = 100

ACCESS = (Cluster(AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Create what can be created; each rule has its own answer."""
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
    if not broker.config.authorizer_class_name:
        raise ApiError(ErrorCode.SECURITY_DISABLED, NO_AUTHORIZER)
    results: list[AclCreationResult] = []
    for at in range(0, len(message.creations), RULES_A_STEP):
        portion = message.creations[at : at + RULES_A_STEP]
        planned = [plan_acl(_rule(each), broker.state.acls) for each in portion]
        acls = {each: None for each in planned if not isinstance(each, Refused)}
        new = [AclRecord(each) for each in acls if each not in broker.state.acls]
        if new:
            broker.change_security(new)
        results += map(_result, planned)
        yield None
    return broker.when_durable(
        CreateAclsResponse(results=results),
        lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, "it could not be made durable"),
    )


def refusal(message: CreateAclsRequest, code: ErrorCode, why: str) -> CreateAclsResponse:
    """The response that creates nothing."""
    return CreateAclsResponse(results=[_result(Refused(code, why)) for _ in message.creations])


def _rule(asked: AclCreation) -> Acl:
    return Acl(
        asked.resource_type,
        asked.resource_name,
        asked.resource_pattern_type,
        asked.principal,
        asked.host,
        asked.operation,
        asked.permission_type,
    )


def _result(planned: object) -> AclCreationResult:
    if isinstance(planned, Refused):
        why = shortened(planned.why) or None
        return AclCreationResult(error_code=planned.code, error_message=why)
    return AclCreationResult(error_code=0, error_message="")
