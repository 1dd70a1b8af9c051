"""ListGroups (key 16), v0-v5. Source: ListGroupsRequest.json, ListGroupsResponse.json; KIP-518.

v4 only groups in certain states · v5 only groups of certain types
Ours: every group is of the type "classic" (KIP-848 is not served). States and types are compared
    without regard to case, as in Kafka.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import CLUSTER_NAME, AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from ..broker import Broker
from ..security.rights.access import Gate, Revealing, Rule, seen
from ..session import Session
from ..waiting.long_work import Steps

TYPE = "classic"
GROUPS_A_STEP = 300


class Rights(Rule):
    """None is needed; who may not describe the cluster sees the groups that he may describe."""

    def reveal(
        self, gate: Gate, message: ListGroupsRequest, response: ListGroupsResponse
    ) -> Revealing:
        """Leave out the others."""
        if not gate.sees(AclOperation.DESCRIBE, AclResourceType.CLUSTER, CLUSTER_NAME):
            response.groups = yield from seen(
                gate, AclOperation.DESCRIBE, AclResourceType.GROUP, response.groups, "group_id"
            )
        return response


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """List the groups that fit."""
    message: ListGroupsRequest = request.message
    states = {each.strip().lower() for each in message.states_filter}
    types = {each.strip().lower() for each in message.types_filter}
    if types and TYPE not in types:
        return ListGroupsResponse(error_code=0, groups=[])
    return _list(broker, states)


def _list(broker: Broker, states: set[str]) -> Steps:
    found = []
    for number, group in enumerate([*broker.groups.roster.all()], 1):
        if not states or group.state.value.lower() in states:
            found.append(
                ListedGroup(
                    group_id=group.group_id,
                    protocol_type=group.protocol_type or "",
                    group_state=group.state.value,
                    group_type=TYPE,
                )
            )
        if not number % GROUPS_A_STEP:
            yield None
    return ListGroupsResponse(error_code=0, groups=found)


def refusal(message: ListGroupsRequest, code: ErrorCode, why: str) -> ListGroupsResponse:
    """The response that lists nothing."""
    return ListGroupsResponse(error_code=code, groups=[])
