"""ListOffsets (key 2), v1-v9. Source: ListOffsetsRequest.json, ListOffsetsResponse.json; KIP-734.

v2 isolation_level · v4 leader epochs · v6 flexible · v7 max timestamp (-3) · v8 earliest local (-4)
· v9 latest tiered (-5)
Ours: a search by time opens one compressed batch; without the package for its codec that is 76, and
    a batch whose records cannot be read is 2, for that partition alone.
    Readers stop at the high watermark here as in Fetch, readers of commits at the last stable
    offset. There is no tiered storage: the earliest
    local offset is the earliest, and nothing is tiered (-1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.batch.header import BatchError
from ...protocol.compression import MissingCodecError
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from ..broker import Broker
from ..partitions.partition import Partition
from ..security.rights.access import Each
from ..session import Session
from ..waiting.long_work import Aside, Steps, finished
from .fetch import ISOLATION_LEVELS, READ_COMMITTED, epoch_refusal

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -1, -2, -3, -4, -5
_SINCE = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9}
_LOWEST = LATEST_TIERED
PARTITIONS_A_STEP = 200

ACCESS = (Each(AclOperation.DESCRIBE, AclResourceType.TOPIC, "topics", "topics"),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Answer each partition."""
    message: ListOffsetsRequest = request.message
    if message.isolation_level not in ISOLATION_LEVELS:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"isolation level {message.isolation_level}")
    steps = _answers(broker, message, request.route.version)
    count = len(message.topics) + sum(len(topic.partitions) for topic in message.topics)
    if count > PARTITIONS_A_STEP:
        return steps
    is_search = any(
        each.timestamp >= 0 or each.timestamp == MAX_TIMESTAMP
        for topic in message.topics
        for each in topic.partitions
    )
    return steps if is_search else finished(steps)


def _answers(broker: Broker, message: ListOffsetsRequest, version: int) -> Steps:
    listed: Counter[tuple[str, int]] = Counter()
    topics: dict[str, dict[int, ListOffsetsPartition]] = {}
    for topic in message.topics:
        for each in topic.partitions:
            listed[topic.name, each.partition_index] += 1
            topics.setdefault(topic.name, {})[each.partition_index] = each
            yield None
        yield None
    response = ListOffsetsResponse(topics=[])
    left = PARTITIONS_A_STEP
    for name, partitions in topics.items():
        answers: list[ListOffsetsPartitionResponse] = []
        response.topics.append(ListOffsetsTopicResponse(name=name, partitions=answers))
        for index, each in partitions.items():
            if listed[name, index] > 1:
                answers.append(_refused(each, ErrorCode.INVALID_REQUEST))
            else:
                partition = broker.seen.partition(name, index)
                answers.append((yield from _answer(partition, each, version, message)))
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                yield None
    return response


def refusal(message: ListOffsetsRequest, code: ErrorCode, why: str) -> ListOffsetsResponse:
    """The response that refuses every partition of a request."""
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name, partitions=[_refused(each, code) for each in topic.partitions]
            )
            for topic in message.topics
        ]
    )


def _answer(
    partition: Partition | None,
    asked: ListOffsetsPartition,
    version: int,
    message: ListOffsetsRequest,
) -> Generator[Aside | None, Any, ListOffsetsPartitionResponse]:
    if partition is None:
        return _refused(asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    refused = epoch_refusal(asked.current_leader_epoch, partition)
    if refused:
        return _refused(asked, refused)
    wanted = asked.timestamp
    if wanted < _LOWEST or version < _SINCE.get(wanted, 0):
        return _refused(asked, ErrorCode.UNSUPPORTED_VERSION)
    log, high_watermark = partition.log, partition.high_watermark
    is_committed = message.isolation_level == READ_COMMITTED
    end_offset = partition.last_stable_offset if is_committed else high_watermark
    if wanted == LATEST:
        return _found(asked, -1, end_offset, partition.leader_epoch)
    if wanted in (EARLIEST, EARLIEST_LOCAL):
        epoch = log.earliest_epoch if log.latest_epoch >= 0 else partition.leader_epoch
        return _found(asked, -1, log.log_start_offset, epoch)
    if wanted == LATEST_TIERED:
        return _found(asked, -1, -1, -1)
    try:
        if wanted == MAX_TIMESTAMP:
            found = yield from log.max_timestamp(high_watermark)
        else:
            found = yield from log.find_timestamp(wanted, end_offset)
    except MissingCodecError:
        return _refused(asked, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    except BatchError:
        return _refused(asked, ErrorCode.CORRUPT_MESSAGE)
    # The newest record of all is none for who may not see it yet, as in Kafka; the newest one
    # below the last stable offset is not looked for.
    if found is None or found.offset >= end_offset:
        return _found(asked, -1, -1, -1)
    return _found(asked, found.timestamp, found.offset, found.leader_epoch)


def _found(
    asked: ListOffsetsPartition, timestamp: int, offset: int, leader_epoch: int
) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(
        partition_index=asked.partition_index,
        error_code=0,
        timestamp=timestamp,
        offset=offset,
        leader_epoch=leader_epoch,
    )


def _refused(asked: ListOffsetsPartition, code: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(partition_index=asked.partition_index, error_code=code)
