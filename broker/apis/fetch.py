"""Fetch (key 1), v4-v12. Source: FetchRequest.json, FetchResponse.json; KIP-74, KIP-227, KIP-320.

v5 log_start_offset · v7 sessions · v9 leader epochs · v10 zstd · v11 rack · v12 flexible, diverging
Ours: whole batches only, never decoded; every request is answered in full with session id 0, which
    KIP-227 allows; a wait is not polled but ended by the bytes it waits for; under durability fsync
    it counts as a reader that wants what is written to be flushed.
    One partition gives READ_BYTES_MAX at a time, and less where memory is short
    (waiting/held_bytes.py). Readers of commits stop at the last stable offset, are told what was
    aborted, and wait for it to move. Bounds below 0 and unknown isolation levels are refused with
    42, where Kafka has -1. Of a partition listed twice the last counts. A follower (replica_id)
    gets 6: there are none.
Left out: fetch sessions (70 for a session we never gave), preferred replicas.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from ..broker import Broker
from ..limits import FETCH_WAIT_MS_MAX, READ_BYTES_MAX
from ..log_lines import Event
from ..partitions.partition import Partition
from ..security.rights.access import Each
from ..session import Session
from ..storage.port import StorageError
from ..waiting.long_work import Steps
from ..waiting.parked_fetches import ParkedFetch, Readable

NO_EPOCH = -1
NO_SESSION = 0
FINAL_EPOCH, INITIAL_EPOCH = -1, 0
READ_COMMITTED = 1
ISOLATION_LEVELS = (0, READ_COMMITTED)

PARTITIONS_A_STEP = 200  # so many are looked at in well under a millisecond
BYTES_A_STEP = 2 * 1024 * 1024  # and so many read from a file

logger = logging.getLogger("minibroker")

ACCESS = (Each(AclOperation.READ, AclResourceType.TOPIC, "topics", "responses", name="topic"),)


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
    topics = message.topics
    if len(topics) != 1 or len(topics[0].partitions) != 1:
        message.topics = _each_once(topics)
    reading = _Reading(broker, message)
    if reading.go_on():
        return _answer_or_wait(reading)
    return _long(reading)


def _long(reading: _Reading) -> Steps:
    yield from reading.rest()
    return _answer_or_wait(reading)


def _answer_or_wait(reading: _Reading) -> Any:
    broker, message = reading.broker, reading.message
    missing_bytes = message.min_bytes - reading.count_bytes
    if (
        message.max_wait_ms <= 0
        or reading.has_error
        or not reading.partitions
        or missing_bytes <= 0
        or reading.is_shortened
    ):
        return reading.answer()
    # 1. a partition is read  2. it is appended to, while the others are read  3. the fetch waits:
    # nobody would tell it of what came in 2.
    missing_bytes -= reading.grown_bytes()
    if missing_bytes <= 0:
        return _answer(broker, message)
    wait_ms = min(message.max_wait_ms, FETCH_WAIT_MS_MAX)
    parked = ParkedFetch(
        reading.partitions,
        lambda: _answer(broker, message),
        missing_bytes=missing_bytes,
        deadline_ms=broker.clock.monotonic_ms() + wait_ms,
    )
    message.forgotten_topics_data, message.rack_id = [], ""  # nobody needs them while it waits
    promise = broker.parked.park(parked)
    if reading.has_unflushed:
        broker.commit.want()
    return promise


def _answer(broker: Broker, message: FetchRequest) -> Any:
    """What there is, or a promise of it."""
    reading = _Reading(broker, message)
    if reading.go_on():
        return reading.answer()
    return broker.work.begin(_rest(reading), is_droppable=True)


def _rest(reading: _Reading) -> Steps:
    yield from reading.rest()
    return reading.answer()


def _each_once(topics: list[FetchTopic]) -> list[FetchTopic]:
    """Each partition once, where it was listed first, with what was listed last, as Kafka does.

    It keeps a LinkedHashMap, and answers in its order: topics come together as they lie in it.
    """
    different = [len({each.partition for each in topic.partitions}) for topic in topics]
    is_once = different == [len(topic.partitions) for topic in topics]
    if is_once and all(different) and len({topic.topic for topic in topics}) == len(topics):
        return topics
    found = {(topic.topic, each.partition): each for topic in topics for each in topic.partitions}
    once: list[FetchTopic] = []
    for (name, _), each in found.items():
        if not once or once[-1].topic != name:
            once.append(FetchTopic(topic=name, partitions=[]))
        once[-1].partitions.append(each)
    return once


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


class _Reading:
    """One pass over the partitions of a fetch, in as many goes as it takes."""

    __slots__ = (
        "_answers",
        "_asked",
        "_asked_bytes",
        "_bytes_max",
        "_held_bytes",
        "_is_committed",
        "_paused",
        "_read_bytes",
        "_readable_bytes",
        "_topic_at",
        "broker",
        "count_bytes",
        "has_error",
        "has_unflushed",
        "is_shortened",
        "message",
        "partitions",
        "response",
    )

    def __init__(self, broker: Broker, message: FetchRequest) -> None:
        self.broker = broker
        self.message = message
        self.response = FetchResponse(responses=[])
        self._is_committed = message.isolation_level == READ_COMMITTED
        self.partitions: list[Readable] = []
        self.count_bytes = 0
        self.has_error = False
        self.has_unflushed = False
        self.is_shortened = False  # by our own bounds: what it asks for will not come by waiting
        self._topic_at = 0
        self._answers: list[PartitionData] = []  # of this topic
        self._asked: Iterator[FetchPartition] | None = None  # what is left of this topic
        self._paused = self._readable_bytes = 0
        self._read_bytes: list[tuple[Partition, int]] = []  # where, and how many
        self._held_bytes = 0
        config, held = broker.config, broker.held
        self._asked_bytes = min(message.max_bytes, config.fetch_max_bytes)
        self._bytes_max = min(self._asked_bytes, held.answer_bytes_max)

    def answer(self) -> FetchResponse:
        """The response, which is given: what is in it counts as read."""
        for partition, count_bytes in self._read_bytes:
            partition.bytes_out += count_bytes
        return self.response

    def rest(self) -> Steps:
        """Read to the end in steps; what is read by then counts as held, as an answer does."""
        try:
            yield None
            while not self.go_on():
                yield None
        finally:  # from here on it counts as the connection's, or nobody wants it
            self.broker.held.change(-self._held_bytes)

    def go_on(self) -> bool:
        """Read on; False when others had better go on before the rest."""
        topics = self.message.topics
        room = self._bytes_max - self.count_bytes
        if self._held_bytes:  # others may have taken what was free when this began
            room = min(room, self.broker.held.answer_bytes_max)
        left, until_bytes = PARTITIONS_A_STEP, self.count_bytes + BYTES_A_STEP
        while self._topic_at < len(topics):
            topic, answers = topics[self._topic_at], self._answers
            asked = self._asked = self._asked or iter(topic.partitions)
            for each in asked:
                answers.append(self._read(topic.topic, each, room))
                room -= len(answers[-1].records or b"")
                left -= 1
                if not left or self.count_bytes > until_bytes:
                    self._pause()
                    return False
            found = FetchableTopicResponse(topic=topic.topic, partitions=answers)
            self.response.responses.append(found)
            self._topic_at += 1
            self._answers, self._asked = [], None
        return True

    def grown_bytes(self) -> int:
        """What has become readable behind what was read, in the pauses."""
        paused = self.partitions[: self._paused]
        return sum(each.readable_bytes for each in paused) - self._readable_bytes

    def _pause(self) -> None:
        """Remember how far the partitions were readable when they were read."""
        read = self.partitions[self._paused :]
        self._readable_bytes += sum(each.readable_bytes for each in read)
        self._paused += len(read)
        self.broker.held.change(self.count_bytes - self._held_bytes)
        self._held_bytes = self.count_bytes

    def _read(self, topic: str, asked: FetchPartition, room: int) -> PartitionData:
        partition = self.broker.seen.partition(topic, asked.partition)
        if partition is None:
            self.has_error = True
            self.broker.figures.fetch_refused(None)
            answer = _refused(asked.partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            answer.aborted_transactions = []
            return answer
        if self.message.replica_id >= 0:
            answer = _refused(asked.partition, ErrorCode.NOT_LEADER_OR_FOLLOWER)
        else:
            ours = max(min(room, READ_BYTES_MAX), 0)
            end_offset = self._end_of(partition)
            answer = _read_partition(
                partition, asked, ours, end_offset, is_first=not self.count_bytes
            )
            if ours < min(asked.partition_max_bytes, self._asked_bytes - self.count_bytes):
                # Cut by us, and not by the end of what is there, if it took most of the room.
                has_more = asked.fetch_offset < end_offset
                self.is_shortened |= has_more and 2 * len(answer.records or b"") >= ours
            if self._is_committed and not answer.error_code:
                answer = _with_aborted(partition, asked, answer, end_offset)
        self.partitions.append(partition.wait_for_commits() if self._is_committed else partition)
        if partition.flushed and partition.log.log_end_offset > partition.durable_end_offset:
            self.has_unflushed = True
        partition.fetch_count += 1
        if answer.error_code:
            self.broker.figures.fetch_refused(topic)
        if answer.error_code or answer.diverging_epoch is not None:
            self.has_error = True
        if answer.records:
            count = len(answer.records)
            self.count_bytes += count
            self._read_bytes.append((partition, count))
        return answer

    def _end_of(self, partition: Partition) -> int:
        """Where this reader stops."""
        return partition.last_stable_offset if self._is_committed else partition.high_watermark


def _read_partition(
    partition: Partition, asked: FetchPartition, room: int, end_offset: int, *, is_first: bool
) -> PartitionData:
    log = partition.log
    refused = _refusal(partition, asked)
    if refused:
        return _refused(asked.partition, refused)
    if asked.last_fetched_epoch >= 0:
        epoch, epoch_end_offset = partition.epoch_end_offset(asked.last_fetched_epoch)
        if epoch == NO_EPOCH:
            return _refused(asked.partition, ErrorCode.OFFSET_OUT_OF_RANGE)
        if epoch != asked.last_fetched_epoch or epoch_end_offset < asked.fetch_offset:
            diverging = EpochEndOffset(epoch=epoch, end_offset=epoch_end_offset)
            return _data(partition, asked, b"", diverging)
    if not log.log_start_offset <= asked.fetch_offset <= log.log_end_offset:
        return _refused(asked.partition, ErrorCode.OFFSET_OUT_OF_RANGE)
    if asked.fetch_offset >= end_offset or (room <= 0 and not is_first):
        return _data(partition, asked, b"", None)
    limit = max(min(asked.partition_max_bytes, room), 0)
    try:
        records = log.read(asked.fetch_offset, end_offset, limit)
    except StorageError as error:  # the other partitions can be read
        return _not_read(partition, error)
    if len(records) > limit and not is_first:
        records = b""  # only the first partition with data may go beyond the bounds
    return _data(partition, asked, records, None)


def _with_aborted(
    partition: Partition, asked: FetchPartition, answer: PartitionData, end_offset: int
) -> PartitionData:
    """List what a reader of commits is to leave out of these records; null is for who reads all."""
    answer.aborted_transactions = []
    if asked.fetch_offset >= end_offset or answer.diverging_epoch is not None:
        return answer
    try:
        found = partition.told_aborted(asked.fetch_offset, len(answer.records or b""))
    except StorageError as error:
        return _not_read(partition, error)
    for each in found:
        told = AbortedTransaction(producer_id=each.producer_id, first_offset=each.first_offset)
        answer.aborted_transactions.append(told)
    return answer


def _not_read(partition: Partition, error: StorageError) -> PartitionData:
    logger.error(Event("read-failed", topic=partition.topic, partition=partition.index, why=error))
    return _refused(partition.index, ErrorCode.KAFKA_STORAGE_ERROR)


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
        last_stable_offset=partition.last_stable_offset,
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
