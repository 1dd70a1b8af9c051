"""DescribeGroups (key 15), v0-v5. Source: DescribeGroupsRequest.json, DescribeGroupsResponse.json.

v3 authorized operations · v4 static members
Ours: a group that is not there is "Dead", without an error, as in Kafka. What members
    say is told while the group is Stable. There is no authorizer, so everything is authorized.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from ..broker import Broker
from ..groups.members import Group, Member
from ..groups.states import DEAD, STABLE
from ..security.rights.access import ITEMS_A_STEP, Each, Gate, Revealing, Rule
from ..session import Session
from ..waiting.long_work import Steps

MEMBERS_A_STEP = 300

# Bits by AclOperation: all that a group knows. Source: AclEntry.supportedOperations.
GROUP_RIGHTS = tuple(map(AclOperation, (3, 6, 8, 10, 11)))
GROUP_OPERATIONS = sum(1 << bit for bit in GROUP_RIGHTS)


class Operations(Rule):
    """What may be done with each group, if that is asked."""

    def reveal(
        self, gate: Gate, message: DescribeGroupsRequest, response: DescribeGroupsResponse
    ) -> Revealing:
        """Tell it."""
        for number, each in enumerate(response.groups, 1):
            if message.include_authorized_operations:
                each.authorized_operations = gate.operations(
                    AclResourceType.GROUP, each.group_id, GROUP_RIGHTS
                )
            if not number % ITEMS_A_STEP:
                yield
        return response


ACCESS = (
    Each(AclOperation.DESCRIBE, AclResourceType.GROUP, "groups", "groups", name=None),
    Operations(),
)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Tell state and members of each group, as often as it is listed, as Kafka does."""
    message: DescribeGroupsRequest = request.message
    described: dict[str, DescribedGroup] = {}
    left = MEMBERS_A_STEP
    for group_id in message.groups:
        left -= 1
        if group_id not in described:
            each = described[group_id] = _described(group_id, broker.groups.roster.find(group_id))
            left -= len(each.members)
            if message.include_authorized_operations:
                each.authorized_operations = GROUP_OPERATIONS
        if left <= 0:
            left = MEMBERS_A_STEP
            yield None
    return DescribeGroupsResponse(groups=[described[group_id] for group_id in message.groups])


def refusal(message: DescribeGroupsRequest, code: ErrorCode, why: str) -> DescribeGroupsResponse:
    """The response that tells nothing."""
    groups = [_described(group_id, None) for group_id in message.groups]
    for each in groups:
        each.error_code = code
    return DescribeGroupsResponse(groups=groups)


def _described(group_id: str, group: Group | None) -> DescribedGroup:
    if group is None:
        return DescribedGroup(
            error_code=0,
            group_id=group_id,
            group_state=DEAD.value,
            protocol_type="",
            protocol_data="",
            members=[],
        )
    return DescribedGroup(
        error_code=0,
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol_name or "") if group.state is STABLE else "",
        members=[_member(group, each) for each in group.members.values()],
    )


def _member(group: Group, member: Member) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.group_instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=member.metadata(group.protocol_name) if group.state is STABLE else b"",
        member_assignment=member.assignment,
    )
