"""OffsetCommit (key 8), v2-v9. Source: OffsetCommitRequest.json; KIP-211, KIP-345.

v2-v4 retention_time_ms: how long these offsets live · v6 leader epochs · v7 static members ·
v9 an unknown group is 69 instead of 22
Ours: acknowledged when durable under durability fsync, at once otherwise.
Left out: v10 (topic ids).
"""

from __future__ import annotations

from typing import Any

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ..broker import Broker
from ..groups.coordinator import Speaker, coordinator_code
from ..groups.records import OffsetCommitValue
from ..metadata import Topic
from ..parked import Promise
from ..session import Session

KNOWS_MISSING_SINCE = 9


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Commit the offsets of partitions that exist; each has its own answer."""
    message: OffsetCommitRequest = request.message
    codes = [_first_codes(topic, broker.state.topics) for topic in message.topics]
    if any(ErrorCode.NONE in each for each in codes):
        speaker = Speaker(
            message.group_id,
            message.generation_id_or_member_epoch,
            message.member_id,
            message.group_instance_id,
        )
        code = broker.groups.check_commit(
            speaker, knows_missing=request.route.version >= KNOWS_MISSING_SINCE
        )
        if code is not ErrorCode.NONE:
            return refusal(message, code, "")
    offsets = []
    now_ms = broker.groups.ledger.clock.now_ms()
    for topic, topic_codes in zip(message.topics, codes, strict=True):
        for index, each in enumerate(topic.partitions):
            if topic_codes[index] is not ErrorCode.NONE:
                continue
            if len(each.committed_metadata or "") > broker.config.offset_metadata_max_bytes:
                topic_codes[index] = ErrorCode.OFFSET_METADATA_TOO_LARGE
                continue
            topic_id = broker.state.topics[topic.name].topic_id
            value = _value(each, now_ms, message.retention_time_ms, topic_id)
            offsets.append((topic.name, each.partition_index, value))
    response = _response(message, codes)
    if not offsets:
        return response
    broker.groups.commit(message.group_id, offsets)
    promise = Promise()
    refused = refusal(message, ErrorCode.NOT_COORDINATOR, "")
    broker.groups.ledger.answer(response, refused, promise.keep)
    return promise


def refusal(message: OffsetCommitRequest, code: ErrorCode, why: str) -> OffsetCommitResponse:
    """The response that commits nothing."""
    refused = coordinator_code(code)
    return _response(message, [[refused] * len(topic.partitions) for topic in message.topics])


def _first_codes(topic: OffsetCommitRequestTopic, known: dict[str, Topic]) -> list[ErrorCode]:
    found = known.get(topic.name)
    count = 0 if found is None else found.partition_count
    return [
        ErrorCode.NONE
        if 0 <= each.partition_index < count
        else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        for each in topic.partitions
    ]


def _value(
    each: OffsetCommitRequestPartition, now_ms: int, retention_ms: int, topic_id: bytes
) -> OffsetCommitValue:
    return OffsetCommitValue(
        offset=each.committed_offset,
        leader_epoch=each.committed_leader_epoch,
        metadata=each.committed_metadata or "",
        commit_timestamp=now_ms,
        expire_timestamp=-1 if retention_ms == -1 else now_ms + retention_ms,
        topic_id=topic_id,
    )


def _response(message: OffsetCommitRequest, codes: list[list[ErrorCode]]) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetCommitResponsePartition(
                        partition_index=each.partition_index, error_code=code
                    )
                    for each, code in zip(topic.partitions, topic_codes, strict=True)
                ],
            )
            for topic, topic_codes in zip(message.topics, codes, strict=True)
            if topic.partitions
        ]
    )
