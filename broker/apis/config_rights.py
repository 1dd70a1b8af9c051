"""The rights on what has a configuration: those of a topic or group, or of the cluster for brokers.

Source: KafkaApis.handleDescribeConfigsRequest, ConfigHelper.scala.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import CLUSTER_NAME, AclOperation, AclResourceType
from ...protocol.configs import ResourceType
from ..security.rights.access import ITEMS_A_STEP, REFUSALS, Admitting, Gate, Part, Rule, with_field

KINDS = {
    ResourceType.TOPIC: AclResourceType.TOPIC,
    ResourceType.GROUP: AclResourceType.GROUP,
    ResourceType.BROKER: AclResourceType.CLUSTER,
    ResourceType.BROKER_LOGGER: AclResourceType.CLUSTER,
    ResourceType.CLIENT_METRICS: AclResourceType.CLUSTER,
}


class ConfigRights(Rule):
    """An operation on each resource of a request.

    Args:
        answered: the list of the answer.
    """

    def __init__(self, operation: AclOperation, answered: str) -> None:
        self._operation = operation
        self._answered = answered

    def admit(self, gate: Gate, message: Any) -> Admitting:
        """Take out what is refused; a type that nobody knows is refused by the handler."""
        kept: list[Any] = []
        refused: dict[AclResourceType, list[Any]] = {}
        for number, each in enumerate(message.resources, 1):
            kind = KINDS.get(each.resource_type)
            name = CLUSTER_NAME if kind is AclResourceType.CLUSTER else each.resource_name
            if kind is None or gate.may(self._operation, kind, name):
                kept.append(each)
            else:
                refused.setdefault(kind, []).append(each)
            if not number % ITEMS_A_STEP:
                yield
        parts = [
            Part(with_field(message, "resources", some), self._answered, *REFUSALS[kind])
            for kind, some in refused.items()
        ]
        return with_field(message, "resources", kept) if kept or not parts else None, parts
