"""OffsetForLeaderEpoch (key 23), v2-v4. Source: OffsetForLeaderEpochRequest.json; KIP-320.

v3 replica_id · v4 flexible
Ours: the leader epoch rises with every start of the broker, so consumers notice a tail that a power
    loss has taken. End offsets stop at the high watermark.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)
from ..broker import Broker
from ..partitions.partition import Partition
from ..security.rights.access import Each
from ..session import Session
from ..waiting.long_work import Steps
from .fetch import epoch_refusal

PARTITIONS_A_STEP = 200

ACCESS = (Each(AclOperation.DESCRIBE, AclResourceType.TOPIC, "topics", "topics", name="topic"),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Tell where each epoch ended."""
    message: OffsetForLeaderEpochRequest = request.message
    topics, left = [], PARTITIONS_A_STEP
    for topic in message.topics:
        partitions: list[EpochEndOffset] = []
        topics.append(OffsetForLeaderTopicResult(topic=topic.topic, partitions=partitions))
        for each in topic.partitions:
            partitions.append(_answer(broker.seen.partition(topic.topic, each.partition), each))
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                yield None
    return OffsetForLeaderEpochResponse(topics=topics)


def refusal(
    message: OffsetForLeaderEpochRequest, code: ErrorCode, why: str
) -> OffsetForLeaderEpochResponse:
    """The response that refuses every partition of a request."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[
                    EpochEndOffset(error_code=code, partition=each.partition)
                    for each in topic.partitions
                ],
            )
            for topic in message.topics
        ]
    )


def _answer(partition: Partition | None, asked: OffsetForLeaderPartition) -> EpochEndOffset:
    if partition is None:
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    else:
        code = epoch_refusal(asked.current_leader_epoch, partition)
    if partition is None or code:
        return EpochEndOffset(error_code=code, partition=asked.partition)
    epoch, end_offset = partition.epoch_end_offset(asked.leader_epoch)
    return EpochEndOffset(
        error_code=0,
        partition=asked.partition,
        leader_epoch=epoch,
        end_offset=end_offset,
    )
