"""DescribeClientQuotas (key 48), v0-v1. Source: DescribeClientQuotasRequest.json; KIP-546.

v1 flexible
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_client_quotas import (
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
    EntityData,
    EntryData,
    ValueData,
)
from ..broker import Broker
from ..cluster.quota_changes import Component, EntityFilter
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps

ENTITIES_A_STEP = 300

ACCESS = (Cluster(AclOperation.DESCRIBE_CONFIGS),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """The quotas of the entities that a filter means."""
    message: DescribeClientQuotasRequest = request.message
    wanted = EntityFilter(
        [Component(each.entity_type, each.match_type, each.match) for each in message.components],
        is_strict=message.strict,
    )
    entries = []
    for number, (entity, values) in enumerate([*broker.state.quotas.by_entity.items()], 1):
        if wanted.matches(entity):
            parts = [EntityData(entity_type=kind, entity_name=name) for kind, name in entity]
            told = [ValueData(key=key, value=value) for key, value in values.items()]
            entries.append(EntryData(entity=parts, values=told))
        if not number % ENTITIES_A_STEP:
            yield None
    return DescribeClientQuotasResponse(error_code=0, error_message="", entries=entries)


def refusal(
    message: DescribeClientQuotasRequest, code: ErrorCode, why: str
) -> DescribeClientQuotasResponse:
    """The response that describes nothing."""
    return DescribeClientQuotasResponse(error_code=code, error_message=why, entries=None)
