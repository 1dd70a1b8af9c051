"""DeleteGroups (key 42), v0-v2. Source: DeleteGroupsRequest.json; KIP-229.

v2 flexible
Ours: a group goes with its offsets, in one batch; answered when that is durable. While a
    transaction has offsets pending there it is NON_EMPTY_GROUP.
"""

from __future__ import annotations

from collections.abc import Generator

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from ..broker import Broker
from ..groups.requests import coordinator_code
from ..security.rights.access import Each
from ..session import Session
from ..storage.port import StorageError
from ..waiting.long_work import Steps

ACCESS = (Each(AclOperation.DELETE, AclResourceType.GROUP, "groups_names", "results", name=None),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Delete groups that have no members; each has its own answer."""
    message: DeleteGroupsRequest = request.message
    results = []
    for group_id in dict.fromkeys(message.groups_names):
        code = yield from _delete(broker, group_id)
        results.append(DeletableGroupResult(group_id=group_id, error_code=code))
        yield None
    return broker.groups.ledger.when_durable(
        DeleteGroupsResponse(results=results),
        lambda: refusal(message, ErrorCode.NOT_COORDINATOR, ""),
    )


def refusal(message: DeleteGroupsRequest, code: ErrorCode, why: str) -> DeleteGroupsResponse:
    """The response that deletes nothing."""
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=group_id, error_code=coordinator_code(code))
            for group_id in message.groups_names
        ]
    )


def _delete(broker: Broker, group_id: str) -> Generator[None, None, ErrorCode]:
    try:
        return (yield from broker.groups.roster.delete(group_id))
    except StorageError:
        return ErrorCode.NOT_COORDINATOR
