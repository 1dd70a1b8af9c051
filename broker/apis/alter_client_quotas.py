"""AlterClientQuotas (key 49), v0-v1. Source: AlterClientQuotasRequest.json; KIP-546, KIP-612.

v1 flexible
Ours: addresses are addresses: a host's name is refused, since looking it up would hold everybody
    up, and may answer something else tomorrow.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused, shortened
from ...protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    EntryData,
    EntryResult,
)
from ..broker import Broker
from ..cluster.quota_changes import Change, plan_quotas
from ..cluster.quotas import Entity
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps

ENTRIES_A_STEP = 50

ACCESS = (Cluster(AclOperation.ALTER_CONFIGS),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Change what can be changed; each entity has its own answer."""
    message: AlterClientQuotasRequest = request.message
    results: dict[Entity, EntryResult] = {}
    for number, each in enumerate(message.entries, 1):
        entity = [(part.entity_type, part.entity_name) for part in each.entity]
        place = tuple(sorted(entity, key=str))
        if place in results:  # the first counts, and is not told
            results[place] = _result(each, _twice(place))
            continue
        changes = [Change(op.key, None if op.remove else op.value) for op in each.ops]
        planned = plan_quotas(entity, changes, broker.state.quotas)
        if not isinstance(planned, Refused) and not message.validate_only:
            broker.change_security([planned])
        results[place] = _result(each, planned if isinstance(planned, Refused) else None)
        if not number % ENTRIES_A_STEP:
            yield None
    response = AlterClientQuotasResponse(entries=[*results.values()])
    if message.validate_only:
        return response
    return broker.when_durable(
        response,
        lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, "it could not be made durable"),
    )


def refusal(
    message: AlterClientQuotasRequest, code: ErrorCode, why: str
) -> AlterClientQuotasResponse:
    """The response that changes nothing."""
    return AlterClientQuotasResponse(
        entries=[_result(each, Refused(code, why)) for each in message.entries]
    )


def _twice(entity: Entity) -> Refused:
    """Source: ClientQuotaControlManager.alterClientQuotas, ClientQuotaEntity.toString (Java)."""
    entries = ", ".join(f"{kind}={'null' if name is None else name}" for kind, name in entity)
    why = f"Ignoring duplicate entity ClientQuotaEntity(entries={{{entries}}})"
    return Refused(ErrorCode.INVALID_REQUEST, why)


def _result(asked: EntryData, refused: Refused | None) -> EntryResult:
    return EntryResult(
        error_code=ErrorCode.NONE if refused is None else refused.code,
        error_message=None if refused is None else shortened(refused.why) or None,
        entity=asked.entity,
    )
