"""OffsetDelete (key 47), v0. Source: OffsetDeleteRequest.json, OffsetDeleteResponse.json; KIP-496.

Ours: answered when durable. An offset that was never committed is deleted without an error.
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from ..broker import Broker
from ..groups.coordinator import coordinator_code
from ..parked import Promise
from ..session import Session


def handle(broker: Broker, request: Request, session: Session) -> Promise:
    """Delete committed offsets of topics that the group does not consume."""
    message: OffsetDeleteRequest = request.message
    asked = [
        (topic.name, each.partition_index)
        for topic in message.topics
        for each in topic.partitions
        if (found := broker.state.topics.get(topic.name)) is not None
        and 0 <= each.partition_index < found.partition_count
    ]
    codes = {}
    if asked or not message.topics:
        codes = dict(zip(asked, broker.groups.delete_offsets(message.group_id, asked), strict=True))
    missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    response = OffsetDeleteResponse(
        error_code=0,
        topics=[
            OffsetDeleteResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetDeleteResponsePartition(
                        partition_index=each.partition_index,
                        error_code=codes.get((topic.name, each.partition_index), missing),
                    )
                    for each in topic.partitions
                ],
            )
            for topic in message.topics
            if topic.partitions
        ],
    )
    promise = Promise()
    refused = refusal(message, ErrorCode.NOT_COORDINATOR, "")
    broker.groups.ledger.answer(response, refused, promise.keep)
    return promise


def refusal(message: OffsetDeleteRequest, code: ErrorCode, why: str) -> OffsetDeleteResponse:
    """The response that deletes nothing."""
    return OffsetDeleteResponse(error_code=coordinator_code(code))
