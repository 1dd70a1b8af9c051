"""ListConfigResources (key 74), v0-v1. Source: ListConfigResourcesRequest.json; KIP-714, KIP-1142.

v0 flexible, client metrics alone · v1 resources of any type
Ours: this broker, and its topics. Left out, as in DescribeConfigs: its loggers, client metrics and
    groups, of which there are none.
"""

from __future__ import annotations

from collections.abc import Set

from ...protocol.acls import AclOperation
from ...protocol.configs import ResourceType
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps

KINDS = frozenset(ResourceType)
TYPES_SINCE = 1
NAMES_A_STEP = 500

ACCESS = (Cluster(AclOperation.DESCRIBE_CONFIGS),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """List what has a configuration; no types means all of them."""
    message: ListConfigResourcesRequest = request.message
    wanted: Set[int] = frozenset(message.resource_types) or KINDS
    if request.route.version < TYPES_SINCE:
        wanted = {ResourceType.CLIENT_METRICS}
    if wanted - KINDS:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION, f"resource types {sorted(wanted - KINDS)}")
    names: list[tuple[int, str]] = []
    if ResourceType.BROKER in wanted:
        names.append((ResourceType.BROKER, str(broker.config.node_id)))
    if ResourceType.TOPIC in wanted:
        names += [
            (ResourceType.TOPIC, name) for name in (each.name for each in broker.seen.topics())
        ]
    return _listed(names)


def _listed(names: list[tuple[int, str]]) -> Steps:
    resources = []
    for number, (kind, name) in enumerate(names, 1):
        resources.append(ConfigResource(resource_name=name, resource_type=kind))
        if not number % NAMES_A_STEP:
            yield None
    return ListConfigResourcesResponse(error_code=0, config_resources=resources)


def refusal(
    message: ListConfigResourcesRequest, code: ErrorCode, why: str
) -> ListConfigResourcesResponse:
    """The response that lists nothing."""
    return ListConfigResourcesResponse(error_code=code, config_resources=[])
