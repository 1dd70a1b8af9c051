"""Fetch (key 1), v4-v12. Source: FetchRequest.json, FetchResponse.json; KIP-74, KIP-227, KIP-320.

v5 log_start_offset · v7 sessions · v9 leader epochs · v10 zstd · v11 rack · v12 flexible, diverging
Ours: whole batches only, never decoded; every request is answered in full with session id 0, which
    KIP-227 allows; a wait is not polled but ended by the bytes it waits for; under durability fsync
    it counts as a reader that wants what is written to be flushed.
    Bounds below 0 and unknown isolation levels are refused with 42, where Kafka has -1.
    Of a partition listed twice the last counts. A follower (replica_id) gets 6: there are none.
Left out: fetch sessions (70 for a session we never gave), preferred replicas.
"""

from __future__ import annotations

import logging
from typing import Any

from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.fetch import (
    EpochEndOffset,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from ..broker import Broker
from ..limits import FETCH_WAIT_MS_MAX
from ..log.storage import StorageError
from ..log_lines import Event
from ..parked import ParkedFetch, Readable
from ..partition import Partition
from ..session import Session

NO_EPOCH = -1
NO_SESSION = 0
FINAL_EPOCH, INITIAL_EPOCH = -1, 0
READ_COMMITTED = 1
ISOLATION_LEVELS = (0, READ_COMMITTED)

logger = logging.getLogger("minibroker")


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Read at once, or park the request until there are bytes."""
    message: FetchRequest = request.message
    if message.session_epoch != FINAL_EPOCH and (
        message.session_id != NO_SESSION or message.session_epoch != INITIAL_EPOCH
    ):
        return FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses=[])
    if message.isolation_level not in ISOLATION_LEVELS:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"isolation level {message.isolation_level}")
    if message.max_bytes < 0:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"max_bytes is {message.max_bytes}")
    message.topics = _once_each(message.topics)
    reading = _read(broker, message)
    if (
        message.max_wait_ms <= 0
        or reading.has_error
        or not reading.partitions
        or reading.count_bytes >= message.min_bytes
    ):
        return reading.response
    wait_ms = min(message.max_wait_ms, FETCH_WAIT_MS_MAX)
    parked = ParkedFetch(
        reading.partitions,
        lambda: _read(broker, message).response,
        missing_bytes=message.min_bytes - reading.count_bytes,
        deadline_ms=broker.clock.monotonic_ms() + wait_ms,
    )
    promise = broker.parked.park(parked)
    if reading.has_unflushed:
        broker.commit.want()
    return promise


def refusal(message: FetchRequest, code: ErrorCode, why: str) -> FetchResponse:
    """The response that refuses a whole fetch; before v7 there is no place for the code."""
    return FetchResponse(
        error_code=code,
        responses=[
            FetchableTopicResponse(
                topic=topic.topic,
                partitions=[_refused(each.partition, code) for each in topic.partitions],
            )
            for topic in message.topics
        ],
    )


def _once_each(listed: list[FetchTopic]) -> list[FetchTopic]:
    """Each partition once, with what was listed for it last, as in Kafka."""
    if len(listed) == 1 and len(listed[0].partitions) == 1:
        return listed
    count = sum(len(topic.partitions) for topic in listed)
    last = {(topic.topic, each.partition): each for topic in listed for each in topic.partitions}
    if len(last) == count and all(topic.partitions for topic in listed):
        return listed
    topics: dict[str, list[FetchPartition]] = {}
    for (topic, _), each in last.items():
        topics.setdefault(topic, []).append(each)
    return [FetchTopic(topic=topic, partitions=each) for topic, each in topics.items()]


class _Reading:
    """One pass over the partitions of a fetch."""

    __slots__ = ("count_bytes", "has_error", "has_unflushed", "partitions", "response")

    def __init__(self) -> None:
        self.response = FetchResponse(responses=[])
        self.partitions: list[Readable] = []
        self.count_bytes = 0
        self.has_error = False
        self.has_unflushed = False


def _read(broker: Broker, message: FetchRequest) -> _Reading:
    reading = _Reading()
    room = min(message.max_bytes, broker.config.fetch_max_bytes)
    for topic in message.topics:
        answers = []
        for each in topic.partitions:
            partition = broker.partition(topic.topic, each.partition)
            if partition is None:
                answer = _refused(each.partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                answer.aborted_transactions = []
            elif message.replica_id >= 0:
                answer = _refused(each.partition, ErrorCode.NOT_LEADER_OR_FOLLOWER)
            else:
                is_first = not reading.count_bytes
                answer = _read_partition(partition, each, room, is_first=is_first)
            if message.isolation_level == READ_COMMITTED:
                answer.aborted_transactions = []  # none; null is for who did not ask
            if partition is not None:
                reading.partitions.append(partition)
                reading.has_unflushed |= partition.log.log_end_offset > partition.high_watermark
            reading.has_error |= answer.error_code != 0 or answer.diverging_epoch is not None
            count = len(answer.records or b"")
            reading.count_bytes += count
            room -= count
            answers.append(answer)
        reading.response.responses.append(
            FetchableTopicResponse(topic=topic.topic, partitions=answers)
        )
    return reading


def _read_partition(
    partition: Partition, asked: FetchPartition, room: int, *, is_first: bool
) -> PartitionData:
    log, high_watermark = partition.log, partition.high_watermark
    refused = _refusal(partition, asked)
    if refused:
        return _refused(asked.partition, refused)
    if asked.last_fetched_epoch >= 0:
        epoch, end_offset = partition.epoch_end_offset(asked.last_fetched_epoch)
        if epoch == NO_EPOCH:
            return _refused(asked.partition, ErrorCode.OFFSET_OUT_OF_RANGE)
        if epoch != asked.last_fetched_epoch or end_offset < asked.fetch_offset:
            diverging = EpochEndOffset(epoch=epoch, end_offset=end_offset)
            return _data(partition, asked, b"", diverging)
    if not log.log_start_offset <= asked.fetch_offset <= log.log_end_offset:
        return _refused(asked.partition, ErrorCode.OFFSET_OUT_OF_RANGE)
    if asked.fetch_offset >= high_watermark or (room <= 0 and not is_first):
        return _data(partition, asked, b"", None)
    limit = max(min(asked.partition_max_bytes, room), 0)
    try:
        records = log.read(asked.fetch_offset, high_watermark, limit)
    except StorageError as error:  # the other partitions can be read
        logger.error(
            Event("read-failed", topic=partition.topic, partition=partition.index, why=error)
        )
        return _refused(asked.partition, ErrorCode.KAFKA_STORAGE_ERROR)
    if len(records) > limit and not is_first:
        records = b""  # only the first partition with data may go beyond the bounds
    return _data(partition, asked, records, None)


def _refusal(partition: Partition, asked: FetchPartition) -> ErrorCode:
    """What is wrong with what is asked of a partition, whatever it holds; NONE if nothing is."""
    if asked.current_leader_epoch >= 0:  # Kafka takes all below 0 for not known, in Fetch alone
        refused = epoch_refusal(asked.current_leader_epoch, partition)
        if refused:
            return refused
    return ErrorCode.INVALID_REQUEST if asked.partition_max_bytes < 0 else ErrorCode.NONE


def epoch_refusal(current_leader_epoch: int, partition: Partition) -> ErrorCode:
    """How a client's idea of the leader epoch differs from ours; NONE if it does not."""
    if current_leader_epoch in (NO_EPOCH, partition.leader_epoch):
        return ErrorCode.NONE
    if current_leader_epoch < partition.leader_epoch:
        return ErrorCode.FENCED_LEADER_EPOCH
    return ErrorCode.UNKNOWN_LEADER_EPOCH


def _data(
    partition: Partition, asked: FetchPartition, records: bytes, diverging: EpochEndOffset | None
) -> PartitionData:
    high_watermark = partition.high_watermark
    return PartitionData(
        partition_index=asked.partition,
        error_code=0,
        high_watermark=high_watermark,
        last_stable_offset=high_watermark,
        log_start_offset=partition.log.log_start_offset,
        diverging_epoch=diverging,
        aborted_transactions=None,
        records=records,
    )


def _refused(index: int, code: ErrorCode) -> PartitionData:
    return PartitionData(
        partition_index=index,
        error_code=code,
        high_watermark=-1,
        last_stable_offset=-1,
        log_start_offset=-1,
        aborted_transactions=None,
        records=b"",
    )
