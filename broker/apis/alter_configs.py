"""AlterConfigs (key 33), v0-v2. Source: AlterConfigsRequest.json, AlterConfigsResponse.json;
KIP-133.

v2 flexible
Ours: answered when it is durable, in force before. A resource listed twice is refused
    twice; Kafka never answers that request.
Left out: loggers, client metrics and groups as resources (42).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)
from ..broker import Broker
from ..config_changes import plan_replacement
from ..metadata import Record
from ..session import Session


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Replace all overrides of resources; each resource has its own answer."""
    message: AlterConfigsRequest = request.message
    listed = Counter((each.resource_type, each.resource_name) for each in message.resources)
    records: list[Record] = []
    responses = []
    for each in message.resources:
        planned = (
            Refused(ErrorCode.INVALID_REQUEST, f"{each.resource_name!r} is listed twice")
            if listed[each.resource_type, each.resource_name] > 1
            else _planned(broker, each)
        )
        if isinstance(planned, Refused):
            responses.append(_answer(each, planned))
        else:
            records.append(planned)
            responses.append(_answer(each, None))
    response = AlterConfigsResponse(responses=responses)
    if not records or message.validate_only:
        return response
    broker.change_configs(records)
    why = "the change could not be made durable"
    return broker.when_durable(
        response, lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, why)
    )


def refusal(message: AlterConfigsRequest, code: ErrorCode, why: str) -> AlterConfigsResponse:
    """The response that changes nothing."""
    return AlterConfigsResponse(
        responses=[_answer(each, Refused(code, why)) for each in message.resources]
    )


def _planned(broker: Broker, asked: AlterConfigsResource) -> Record | Refused:
    values = [(each.name, each.value) for each in asked.configs]
    kind, name = asked.resource_type, asked.resource_name
    return plan_replacement(kind, name, values, broker.state, broker.config)


def _answer(asked: AlterConfigsResource, refused: Refused | None) -> AlterConfigsResourceResponse:
    return AlterConfigsResourceResponse(
        error_code=ErrorCode.NONE if refused is None else refused.code,
        error_message=None if refused is None else refused.why,
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
    )
