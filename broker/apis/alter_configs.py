"""AlterConfigs (key 33), v0-v2. Source: AlterConfigsRequest.json, AlterConfigsResponse.json;
KIP-133.

v2 flexible
Ours: answered when it is durable, in force before. A resource listed twice is refused
    twice; Kafka never answers that request.
Left out: loggers, client metrics and groups as resources (42).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)
from ..broker import Broker
from ..cluster.config_changes import plan_replacement
from ..cluster.records import MetadataRecord
from ..session import Session
from .altering import alter
from .config_rights import ConfigRights

ACCESS = (ConfigRights(AclOperation.ALTER_CONFIGS, "responses"),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Replace all overrides of resources; each resource has its own answer."""
    message: AlterConfigsRequest = request.message
    return alter(
        broker,
        message.resources,
        lambda asked: _planned(broker, asked),
        _response,
        validate_only=message.validate_only,
    )


def refusal(message: AlterConfigsRequest, code: ErrorCode, why: str) -> AlterConfigsResponse:
    """The response that changes nothing."""
    return _response([(each, Refused(code, why)) for each in message.resources])


def _planned(broker: Broker, asked: AlterConfigsResource) -> MetadataRecord | Refused:
    return plan_replacement(
        asked.resource_type,
        asked.resource_name,
        [(each.name, each.value) for each in asked.configs],
        broker.state,
        broker.config,
    )


def _response(
    outcomes: Sequence[tuple[AlterConfigsResource, Refused | None]],
) -> AlterConfigsResponse:
    return AlterConfigsResponse(
        responses=[
            AlterConfigsResourceResponse(
                error_code=ErrorCode.NONE if refused is None else refused.code,
                error_message=None if refused is None else refused.why,
                resource_type=asked.resource_type,
                resource_name=asked.resource_name,
            )
            for asked, refused in outcomes
        ]
    )
