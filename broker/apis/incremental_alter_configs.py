"""IncrementalAlterConfigs (key 44), v0-v1. Source:
IncrementalAlterConfigsRequest.json, IncrementalAlterConfigsResponse.json; KIP-339.

v1 flexible
Ours: answered when it is durable, in force before. A name that means nothing for a broker
    here is refused; Kafka keeps it.
Left out: loggers, client metrics and groups as resources (42).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.incremental_alter_configs import (
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ..broker import Broker
from ..cluster.config_changes import Change, plan_changes
from ..cluster.records import MetadataRecord
from ..session import Session
from .altering import alter
from .config_rights import ConfigRights

ACCESS = (ConfigRights(AclOperation.ALTER_CONFIGS, "responses"),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Change some properties; each resource has its own answer."""
    message: IncrementalAlterConfigsRequest = request.message
    return alter(
        broker,
        message.resources,
        lambda asked: _planned(broker, asked),
        _response,
        validate_only=message.validate_only,
    )


def refusal(
    message: IncrementalAlterConfigsRequest, code: ErrorCode, why: str
) -> IncrementalAlterConfigsResponse:
    """The response that changes nothing."""
    return _response([(each, Refused(code, why)) for each in message.resources])


def _planned(broker: Broker, asked: AlterConfigsResource) -> MetadataRecord | Refused:
    return plan_changes(
        asked.resource_type,
        asked.resource_name,
        [Change(each.name, each.config_operation, each.value) for each in asked.configs],
        broker.state,
        broker.config,
    )


def _response(
    outcomes: Sequence[tuple[AlterConfigsResource, Refused | None]],
) -> IncrementalAlterConfigsResponse:
    return IncrementalAlterConfigsResponse(
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
