"""ListPartitionReassignments (key 46), v0. Source: ListPartitionReassignmentsRequest.json; KIP-455.

v0 flexible
Ours: partitions stay on this node, so none is ever under way, whichever are asked for; an unknown
    topic is no error, as in Kafka. topicctl asks nothing of a broker that does not offer this API.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session

ACCESS = (Cluster(AclOperation.DESCRIBE),)


def handle(
    broker: Broker, request: Request, session: Session
) -> ListPartitionReassignmentsResponse:
    """There are none."""
    return ListPartitionReassignmentsResponse(error_code=0, error_message=None, topics=[])


def refusal(
    message: ListPartitionReassignmentsRequest, code: ErrorCode, why: str
) -> ListPartitionReassignmentsResponse:
    """The response that lists nothing."""
    return ListPartitionReassignmentsResponse(error_code=code, error_message=why, topics=[])
