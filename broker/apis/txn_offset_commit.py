"""TxnOffsetCommit (key 28), v0-v5. Source: TxnOffsetCommitRequest.json; KIP-98, KIP-447, KIP-890.

v2 leader epochs · v3 the member that commits · v4 TRANSACTION_ABORTABLE · v5 no AddOffsetsToTxn
    came before: the partition of `__consumer_offsets` is added here
Ours: who has offsets pending in the group goes on unasked, as in Kafka, unless the transaction is
    being ended: then all that comes waits for the end, and is told 51 if that takes too long.
    Answered when the offsets are durable, and with them that they are in the transaction (duty 1).
Left out: v6 (topic ids).
Tests: tests/unit/broker/apis/test_txn_offset_commit.py
"""

from __future__ import annotations

from typing import Final

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from ..broker import Broker
from ..cluster.metadata import Topic
from ..groups.records import OffsetCommitValue
from ..groups.requests import Speaker, coordinator_code
from ..security.rights.access import Each, Whole
from ..session import Session
from ..transactions.offsets_partition import offsets_place
from ..transactions.outcomes import Answer, Outcome, told
from ..transactions.transaction import BUMPING, Now
from ..waiting.long_work import Steps, awaited, finished, made_of
from ..waiting.promise import Promise

ADDS_SINCE: Final = 5
PARTITIONS_A_STEP: Final = 200
NONE = ErrorCode.NONE

ACCESS = (
    Whole(AclOperation.WRITE, AclResourceType.TRANSACTIONAL_ID, "transactional_id"),
    Whole(AclOperation.READ, AclResourceType.GROUP, "group_id"),
    Each(AclOperation.READ, AclResourceType.TOPIC, "topics", "topics"),
)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Commit offsets within a transaction; each partition has its own answer."""
    message: TxnOffsetCommitRequest = request.message
    version = request.route.version
    if not (yield from _names_any(broker, message)):
        return (yield from _refusing(broker, message, NONE))
    if not message.group_id:
        return (yield from _refusing(broker, message, ErrorCode.INVALID_GROUP_ID))
    if _is_open(broker, message):
        return (yield from _storing(broker, message, is_admitted=False))
    answer: Answer = yield from awaited(_ask(broker, message, version))
    for code in (answer.code, *answer.by_partition.values()):
        if code is not NONE:
            broker.figures.told_fenced("TxnOffsetCommit", code)
            refused = told("TxnOffsetCommit", version, code)
            return (yield from _refusing(broker, message, refused))
    return (yield from _storing(broker, message, is_admitted=True))


def refusal(message: TxnOffsetCommitRequest, code: ErrorCode, why: str) -> TxnOffsetCommitResponse:
    """The response that commits nothing."""
    refused = coordinator_code(code)
    codes = [[refused] * len(topic.partitions) for topic in message.topics]
    response: TxnOffsetCommitResponse = finished(_response(message, codes))
    return response


def _is_open(broker: Broker, message: TxnOffsetCommitRequest) -> bool:
    return broker.groups.offsets_in_transactions.has_open(
        message.group_id, message.producer_id, message.producer_epoch
    )


def _ask(broker: Broker, message: TxnOffsetCommitRequest, version: int) -> Answer | Promise:
    """Whether the offsets of the group are in the transaction; from v5 on they come into it."""
    coordinator = broker.transactions.coordinator
    where = offsets_place(message.group_id)
    name, producer_id = message.transactional_id, message.producer_id
    epoch = message.producer_epoch

    def decide(now: Now) -> Outcome:
        if version < ADDS_SINCE:
            return coordinator.verify(name, producer_id, epoch, [where])
        return coordinator.add(name, producer_id, epoch, [where], client_version=BUMPING, now=now)

    if version < ADDS_SINCE and not broker.config.transaction_partition_verification_enable:
        return Answer()
    return broker.transactions.ask(name, decide)


def _names_any(broker: Broker, message: TxnOffsetCommitRequest) -> Steps:
    """Whether any partition is there: if not, nobody is asked, and no transaction begins."""
    for topic in message.topics:
        found = broker.seen.topic(topic.name)
        if any(_exists(found, each) for each in topic.partitions):
            return True
        yield None
    return False


def _refusing(broker: Broker, message: TxnOffsetCommitRequest, code: ErrorCode) -> Steps:
    """One code for every partition that is there."""
    codes = []
    for topic in message.topics:
        found = broker.seen.topic(topic.name)
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        codes.append([code if _exists(found, each) else unknown for each in topic.partitions])
        yield None
    return (yield from _response(message, codes))


def _storing(broker: Broker, message: TxnOffsetCommitRequest, *, is_admitted: bool) -> Steps:
    """In portions of one batch each. Before each is looked at again who commits, and where.

    The first is written before others may go on: it is what the coordinator has said yes to.
    """
    codes: list[list[ErrorCode]] = []
    committing = _Committing(broker, message, is_admitted=is_admitted)
    if committing.code is not NONE:
        return (yield from _refusing(broker, message, committing.code))
    left = PARTITIONS_A_STEP
    for topic in message.topics:
        found = broker.seen.topic(topic.name)
        topic_codes: list[ErrorCode] = []
        codes.append(topic_codes)
        for each in topic.partitions:
            topic_codes.append(committing.take(found, each))
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                committing.write()
                yield None
                committing.look_again()
                found = broker.seen.topic(topic.name)
    committing.write()
    response = yield from _response(message, codes)
    if not committing.has_written:
        return response
    # 1. the first commit adds the group to the transaction  2. the second asks nobody, and comes
    # before that is durable  3. power lost: its offsets are in the log, and the transaction does
    # not know that it has any. But a round of flushes is of all logs: who waits for these offsets
    # waits for that record, too.
    return broker.groups.ledger.when_durable(
        response, lambda: refusal(message, ErrorCode.NOT_COORDINATOR, "")
    )


class _Committing:
    """The offsets of one request on their way.

    Args:
        is_admitted: the coordinator has just said yes; after the first portion what is pending
            must do, as the transaction may have ended by then.
    """

    def __init__(
        self, broker: Broker, message: TxnOffsetCommitRequest, *, is_admitted: bool
    ) -> None:
        self.has_written = False
        self._broker = broker
        self._message = message
        self._now_ms = broker.groups.ledger.clock.now_ms()
        self._offsets: list[tuple[str, int, OffsetCommitValue]] = []
        self.code = self._look(is_admitted=is_admitted)

    def look_again(self) -> None:
        """Others have gone on meanwhile."""
        self.code = self._look(is_admitted=False)

    def _look(self, *, is_admitted: bool) -> ErrorCode:
        message, offsets = self._message, self._broker.groups.offsets_in_transactions
        if is_admitted:
            code = offsets.check_open(message.producer_id, message.producer_epoch)
        elif _is_open(self._broker, message):
            code = NONE
        else:
            code = ErrorCode.CONCURRENT_TRANSACTIONS
        if code is not NONE:
            return code
        speaker = Speaker(
            message.group_id, message.generation_id, message.member_id, message.group_instance_id
        )
        return offsets.check_commit(speaker)

    def take(self, topic: Topic | None, each: TxnOffsetCommitRequestPartition) -> ErrorCode:
        """An offset; NONE if it will be written."""
        if topic is None or not _exists(topic, each):
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if self.code is not NONE:
            return self.code
        metadata = each.committed_metadata or ""
        if len(metadata) > self._broker.config.offset_metadata_max_bytes:
            return ErrorCode.OFFSET_METADATA_TOO_LARGE
        value = OffsetCommitValue(
            offset=each.committed_offset,
            leader_epoch=each.committed_leader_epoch,
            metadata=metadata,
            commit_timestamp=self._now_ms,
            topic_id=topic.topic_id,
        )
        has_room = self._broker.groups.offsets_in_transactions.has_room_for(
            self._message.group_id,
            topic.name,
            each.partition_index,
            producer_id=self._message.producer_id,
            value=value,
        )
        if not has_room:
            return ErrorCode.INVALID_COMMIT_OFFSET_SIZE
        self._offsets.append((topic.name, each.partition_index, value))
        return NONE

    def write(self) -> None:
        """Write what was taken, as one batch. Raises StorageError: nothing of it was."""
        if self._offsets:
            message = self._message
            self._broker.groups.offsets_in_transactions.commit(
                message.group_id, message.producer_id, message.producer_epoch, self._offsets
            )
            self._offsets = []
            self.has_written = True


def _exists(topic: Topic | None, each: TxnOffsetCommitRequestPartition) -> bool:
    return topic is not None and 0 <= each.partition_index < topic.partition_count


def _response(message: TxnOffsetCommitRequest, codes: list[list[ErrorCode]]) -> Steps:
    topics = []
    for topic, topic_codes in zip(message.topics, codes, strict=True):
        answered = zip(topic.partitions, topic_codes, strict=True)
        partitions = yield from made_of(_partition, answered)
        if partitions:
            topics.append(TxnOffsetCommitResponseTopic(name=topic.name, partitions=partitions))
    return TxnOffsetCommitResponse(topics=topics)


def _partition(
    answered: tuple[TxnOffsetCommitRequestPartition, ErrorCode],
) -> TxnOffsetCommitResponsePartition:
    each, code = answered
    return TxnOffsetCommitResponsePartition(partition_index=each.partition_index, error_code=code)
