"""DeleteRecords (key 21), v0-v2. Source: DeleteRecordsRequest.json, ...Response.json; KIP-107.

v2 flexible
Ours: the new log start offset is durable before it is answered, so no record comes back after a
    crash; Kafka writes it down within a minute. Nothing is replicated, so `timeout_ms` bounds
    nothing.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from ..broker import Broker
from ..cluster.topic_names import no_topic
from ..security.rights.access import Each
from ..session import Session
from ..waiting.long_work import Steps

PARTITIONS_A_STEP = 20  # each is a record of the metadata log

ACCESS = (Each(AclOperation.DELETE, AclResourceType.TOPIC, "topics", "topics"),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Move the start of each partition up; of a partition listed twice the last counts."""
    message: DeleteRecordsRequest = request.message
    wanted: dict[str, dict[int, DeleteRecordsPartition]] = {}
    for topic in [each for each in message.topics if each.partitions]:
        wanted.setdefault(topic.name, {}).update(
            {each.partition_index: each for each in topic.partitions}
        )
    topics, left = [], PARTITIONS_A_STEP
    for name, parts in wanted.items():
        partitions: list[DeleteRecordsPartitionResult] = []
        topics.append(DeleteRecordsTopicResult(name=name, partitions=partitions))
        for each in parts.values():
            partitions.append(_answer(broker, name, each))
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                yield None
    response = DeleteRecordsResponse(topics=topics)
    why = "the new start could not be made durable"
    return broker.when_durable(
        response, lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, why)
    )


def refusal(message: DeleteRecordsRequest, code: ErrorCode, why: str) -> DeleteRecordsResponse:
    """The response that refuses every partition of a request."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name, partitions=[_refused(each, code) for each in topic.partitions]
            )
            for topic in message.topics
        ]
    )


def _answer(
    broker: Broker, topic: str, asked: DeleteRecordsPartition
) -> DeleteRecordsPartitionResult:
    partition = broker.partition(topic, asked.partition_index)
    if partition is None:
        is_there = topic in broker.state.topics
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return _refused(asked, unknown if is_there else no_topic(topic).code)
    start = broker.delete_records(partition, asked.offset)
    if isinstance(start, Refused):
        return _refused(asked, start.code)
    return DeleteRecordsPartitionResult(
        partition_index=asked.partition_index, low_watermark=start, error_code=0
    )


def _refused(asked: DeleteRecordsPartition, code: ErrorCode) -> DeleteRecordsPartitionResult:
    return DeleteRecordsPartitionResult(
        partition_index=asked.partition_index, low_watermark=-1, error_code=code
    )
