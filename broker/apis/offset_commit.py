"""OffsetCommit (key 8), v2-v9. Source: OffsetCommitRequest.json; KIP-211, KIP-345.

v2-v4 retention_time_ms: how long these offsets live · v6 leader epochs · v7 static members ·
v9 an unknown group is 69 instead of 22
Ours: acknowledged when durable under durability fsync, at once otherwise.
Left out: v10 (topic ids).
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ..broker import Broker
from ..cluster.metadata import Topic
from ..config.properties import LONG_MAX
from ..groups.records import OffsetCommitValue
from ..groups.requests import Speaker, coordinator_code
from ..security.rights.access import Each, Whole
from ..session import Session
from ..waiting.long_work import Steps, finished, made_of

KNOWS_MISSING_SINCE = 9
PARTITIONS_A_STEP = 200

ACCESS = (
    Whole(AclOperation.READ, AclResourceType.GROUP, "group_id"),
    Each(AclOperation.READ, AclResourceType.TOPIC, "topics", "topics"),
)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Commit the offsets of partitions that exist; each has its own answer."""
    message: OffsetCommitRequest = request.message
    steps = _commit(broker, message, request.route.version >= KNOWS_MISSING_SINCE)
    count = len(message.topics) + sum(len(topic.partitions) for topic in message.topics)
    return finished(steps) if count <= PARTITIONS_A_STEP else steps


def _commit(broker: Broker, message: OffsetCommitRequest, knows_missing: bool) -> Steps:
    """In portions of one write each. Before each, who commits is looked at again."""
    codes: list[list[ErrorCode]] = []
    committing = _Committing(broker, message, knows_missing)
    left = PARTITIONS_A_STEP
    for topic in message.topics:
        found = broker.seen.topic(topic.name)
        topic_codes: list[ErrorCode] = []
        codes.append(topic_codes)
        for each in topic.partitions:
            if found is None or not 0 <= each.partition_index < found.partition_count:
                topic_codes.append(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            else:
                topic_codes.append(committing.take(found, each))
                if committing.refused_at_once:
                    raise ApiError(topic_codes[-1], "")
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                committing.write()
                yield None
                found = broker.seen.topic(topic.name)
    committing.write()
    response = yield from _response(message, codes)
    if not committing.has_written:
        return response
    return broker.groups.ledger.when_durable(
        response, lambda: refusal(message, ErrorCode.NOT_COORDINATOR, "")
    )


def refusal(message: OffsetCommitRequest, code: ErrorCode, why: str) -> OffsetCommitResponse:
    """The response that commits nothing."""
    refused = coordinator_code(code)
    codes = [[refused] * len(topic.partitions) for topic in message.topics]
    response: OffsetCommitResponse = finished(_response(message, codes))
    return response


class _Committing:
    """The offsets of one request on their way."""

    def __init__(self, broker: Broker, message: OffsetCommitRequest, knows_missing: bool) -> None:
        self.has_written = False
        self._broker = broker
        self._message = message
        self._knows_missing = knows_missing
        self._speaker = Speaker(
            message.group_id,
            message.generation_id_or_member_epoch,
            message.member_id,
            message.group_instance_id,
        )
        self._now_ms = broker.groups.ledger.clock.now_ms()
        self._code: ErrorCode | None = None  # of the speaker; None when it is to be looked at
        self._offsets: list[tuple[str, int, OffsetCommitValue]] = []

    @property
    def refused_at_once(self) -> bool:
        """Whether the speaker may not commit, and nothing has been written: all is refused."""
        return self._code not in (None, ErrorCode.NONE) and not self.has_written

    def take(self, topic: Topic, each: OffsetCommitRequestPartition) -> ErrorCode:
        """An offset for a partition that exists; NONE if it will be written."""
        offsets, message = self._broker.groups.offsets, self._message
        if self._code is None:
            self._code = offsets.check_commit(self._speaker, knows_missing=self._knows_missing)
        if self._code is not ErrorCode.NONE:
            return self._code
        if len(each.committed_metadata or "") > self._broker.config.offset_metadata_max_bytes:
            return ErrorCode.OFFSET_METADATA_TOO_LARGE
        value = _value(each, self._now_ms, message.retention_time_ms, topic.topic_id)
        if not offsets.has_room_for(message.group_id, topic.name, each.partition_index, value):
            return ErrorCode.INVALID_COMMIT_OFFSET_SIZE
        self._offsets.append((topic.name, each.partition_index, value))
        return ErrorCode.NONE

    def write(self) -> None:
        """Write what was taken. Raises StorageError: nothing of it was."""
        if self._offsets:
            self._broker.groups.offsets.commit(self._message.group_id, self._offsets)
            self._offsets = []
            self.has_written = True
        self._code = None


def _value(
    each: OffsetCommitRequestPartition, now_ms: int, retention_ms: int, topic_id: bytes
) -> OffsetCommitValue:
    return OffsetCommitValue(
        offset=each.committed_offset,
        leader_epoch=each.committed_leader_epoch,
        metadata=each.committed_metadata or "",
        commit_timestamp=now_ms,
        # 2**63 - 1 ms means for ever; added to the time of day it would fit into no record.
        expire_timestamp=-1 if retention_ms == -1 else min(now_ms + retention_ms, LONG_MAX),
        topic_id=topic_id,
    )


def _response(message: OffsetCommitRequest, codes: list[list[ErrorCode]]) -> Steps:
    topics = []
    for topic, topic_codes in zip(message.topics, codes, strict=True):
        answered = zip(topic.partitions, topic_codes, strict=True)
        partitions = yield from made_of(_partition, answered)
        if partitions:
            topics.append(OffsetCommitResponseTopic(name=topic.name, partitions=partitions))
    return OffsetCommitResponse(topics=topics)


def _partition(
    answered: tuple[OffsetCommitRequestPartition, ErrorCode],
) -> OffsetCommitResponsePartition:
    each, code = answered
    return OffsetCommitResponsePartition(partition_index=each.partition_index, error_code=code)
