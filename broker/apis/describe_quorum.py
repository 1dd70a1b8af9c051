"""DescribeQuorum (key 55), v0-v2. Source: DescribeQuorumRequest.json, ...Response.json; KIP-595.

v0 flexible · v1 when replicas have fetched · v2 nodes, error texts
Ours: the quorum of the metadata log is this node alone; its epoch is that of the broker's start.
    No controller can be reached by clients, so its node has no listeners.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_quorum import (
    DescribeQuorumPartition,
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Node,
    QuorumPartition,
    QuorumTopic,
    ReplicaState,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps, made_of

TOPIC = "__cluster_metadata"
NOT_HERE = "This server does not host this topic-partition."

ACCESS = (Cluster(AclOperation.DESCRIBE),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe the quorum when just its partition is asked for; else no partition is hosted."""
    message: DescribeQuorumRequest = request.message
    if not _asks_for_the_quorum(message):
        return (yield from _unknown(message))
    node_id, offset = broker.config.node_id, broker.metadata_end_offset
    now_ms = broker.clock.now_ms()
    here = ReplicaState(
        replica_id=node_id,
        log_end_offset=offset,
        last_fetch_timestamp=now_ms,
        last_caught_up_timestamp=now_ms,
    )
    partition = QuorumPartition(
        partition_index=0,
        error_code=0,
        error_message="",
        leader_id=node_id,
        leader_epoch=broker.leader_epoch,
        high_watermark=offset,
        current_voters=[here],
        observers=[],
    )
    return DescribeQuorumResponse(
        error_code=0,
        error_message="",
        topics=[QuorumTopic(topic_name=TOPIC, partitions=[partition])],
        nodes=[Node(node_id=node_id, listeners=[])],
    )


def refusal(message: DescribeQuorumRequest, code: ErrorCode, why: str) -> DescribeQuorumResponse:
    """The response that describes nothing."""
    return DescribeQuorumResponse(error_code=code, error_message=why, topics=[], nodes=[])


def _asks_for_the_quorum(message: DescribeQuorumRequest) -> bool:
    if [each.topic_name for each in message.topics[:2]] != [TOPIC]:
        return False
    return [each.partition_index for each in message.topics[0].partitions[:2]] == [0]


def _unknown(message: DescribeQuorumRequest) -> Steps:
    topics = []
    for topic in message.topics:
        partitions = yield from made_of(_not_here, topic.partitions)
        topics.append(QuorumTopic(topic_name=topic.topic_name, partitions=partitions))
        yield None
    return DescribeQuorumResponse(error_code=0, error_message="", topics=topics)


def _not_here(asked: DescribeQuorumPartition) -> QuorumPartition:
    return QuorumPartition(
        partition_index=asked.partition_index,
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        error_message=NOT_HERE,
        leader_id=0,
        leader_epoch=0,
        high_watermark=0,
        current_voters=[],
        observers=[],
    )
