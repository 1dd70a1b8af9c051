"""AlterPartitionReassignments (key 45), v0-v1. Source: AlterPartitionReassignmentsRequest.json,
...Response.json; KIP-455, KIP-860.

v0 flexible · v1 allow_replication_factor_change
Ours: the replicas of every partition are this node, and can be nothing else: asking for just that
    succeeds, all else gets 39; nothing is ever under way, so there is nothing to cancel (85).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps, made_of
from .create_topics import refuse_in_no_time

REASSIGNED = Refused(ErrorCode.NONE, "")

ACCESS = (Cluster(AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Check each; nothing changes."""
    message: AlterPartitionReassignmentsRequest = request.message
    refuse_in_no_time(message.timeout_ms)
    responses = []
    for topic in message.topics:
        made = yield from made_of(partial(_checked, broker, topic.name), topic.partitions)
        responses.append(ReassignableTopicResponse(name=topic.name, partitions=made))
        yield None
    return AlterPartitionReassignmentsResponse(
        error_code=0,
        # Kafka's quirk: without topics the text is empty, else null.
        error_message=None if message.topics else "",
        allow_replication_factor_change=message.allow_replication_factor_change,
        responses=responses,
    )


def refusal(
    message: AlterPartitionReassignmentsRequest, code: ErrorCode, why: str
) -> AlterPartitionReassignmentsResponse:
    """The response that changes nothing."""
    refused = Refused(code, why)
    return AlterPartitionReassignmentsResponse(
        error_code=code,
        error_message=why,
        allow_replication_factor_change=message.allow_replication_factor_change,
        responses=[
            ReassignableTopicResponse(
                name=topic.name, partitions=[_answer(each, refused) for each in topic.partitions]
            )
            for topic in message.topics
        ],
    )


def _checked(
    broker: Broker, name: str, asked: ReassignablePartition
) -> ReassignablePartitionResponse:
    return _answer(asked, _outcome(broker, name, asked))


def _outcome(broker: Broker, name: str, asked: ReassignablePartition) -> Refused:
    topic = broker.state.topics.get(name)
    if topic is None:
        why = f"Unable to find a topic named {name}."
        return Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, why)
    if not 0 <= asked.partition_index < topic.partition_count:
        why = f"Unable to find partition {name}:{asked.partition_index}."
        return Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, why)
    if asked.replicas is None:
        return Refused(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "")
    why = _replicas_refusal(asked.replicas, broker.config.node_id)
    return Refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, why) if why else REASSIGNED


def _replicas_refusal(replicas: Sequence[int], node_id: int) -> str:
    """Source: ReplicationControlManager.validateManualPartitionAssignment, which sorts them."""
    start = "The manual partition assignment includes"
    if not replicas:
        return f"{start} an empty replica list."
    previous = None
    for each in sorted(replicas):
        if each != node_id:
            return f"{start} broker {each}, but no such broker is registered."
        if each == previous:
            return f"{start} the broker {each} more than once."
        previous = each
    return ""


def _answer(asked: ReassignablePartition, outcome: Refused) -> ReassignablePartitionResponse:
    return ReassignablePartitionResponse(
        partition_index=asked.partition_index,
        error_code=outcome.code,
        error_message=outcome.why or None,
    )
