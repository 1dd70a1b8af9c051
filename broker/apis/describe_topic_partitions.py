"""DescribeTopicPartitions (key 75), v0. Source: DescribeTopicPartitionsRequest.json; KIP-966.

v0 flexible
Ours: topics in the order of their names, a page of partitions at a time, as in Kafka. One replica
    is no matter of eligible leaders.
"""

from __future__ import annotations

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
    TopicRequest,
)
from ..broker import Broker
from ..cluster.metadata import Topic
from ..cluster.topic_names import name_refusal
from ..limits import PARTITIONS_A_PAGE_MAX
from ..security.rights.access import (
    ITEMS_A_STEP,
    REFUSALS,
    Admitting,
    Gate,
    Part,
    Revealing,
    Rule,
    parted,
    with_field,
)
from ..session import Session
from ..transactions.offsets_partition import OFFSETS_TOPIC
from ..waiting.long_work import Steps
from .metadata import NOT_ASKED, TOPIC_OPERATIONS, TOPIC_RIGHTS


class Rights(Rule):
    """Describe on each topic; of all topics those that may be seen."""

    def admit(self, gate: Gate, message: DescribeTopicPartitionsRequest) -> Admitting:
        """Take out what is refused, before pages are counted: a cursor names nothing hidden."""
        asked = message.topics or [TopicRequest(name=name) for name in gate.topics.names()]
        may = gate.may if message.topics else gate.sees
        kept, refused = yield from parted(
            asked, lambda each: may(AclOperation.DESCRIBE, AclResourceType.TOPIC, each.name)
        )
        if not refused:
            return message, ()
        code, why = REFUSALS[AclResourceType.TOPIC]
        told = with_field(message, "topics", refused if message.topics else [])
        part = Part(told, "topics", code, why)
        return with_field(message, "topics", kept) if kept else None, (part,)

    def reveal(
        self,
        gate: Gate,
        message: DescribeTopicPartitionsRequest,
        response: DescribeTopicPartitionsResponse,
    ) -> Revealing:
        """What may be done with each."""
        for number, topic in enumerate(response.topics, 1):
            topic.topic_authorized_operations = gate.operations(
                AclResourceType.TOPIC, topic.name or "", TOPIC_RIGHTS
            )
            if not number % ITEMS_A_STEP:
                yield
        return response


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe the topics asked for, or all, from the cursor on."""
    message: DescribeTopicPartitionsRequest = request.message
    names, first_index = _names(broker, message)
    room = max(min(message.response_partition_limit, PARTITIONS_A_PAGE_MAX), 1)
    topics: list[DescribeTopicPartitionsResponseTopic] = []
    for name in names:
        if room == 0:
            return _response(topics, Cursor(topic_name=name, partition_index=0))
        topic = broker.seen.topic(name)
        if topic is None:
            topics.append(_unknown(name))
            yield None
            continue
        start = first_index if message.cursor and name == message.cursor.topic_name else 0
        end = min(topic.partition_count, start + room)
        topics.append(_described(broker, topic, range(start, end)))
        if end < topic.partition_count:
            return _response(topics, Cursor(topic_name=name, partition_index=end))
        room -= max(end - start, 0)
        yield None
    return _response(topics, None)


def refusal(
    message: DescribeTopicPartitionsRequest, code: ErrorCode, why: str
) -> DescribeTopicPartitionsResponse:
    """The response that describes nothing."""
    return _response(
        [_topic(each.name, code, ZERO_UUID, [], NOT_ASKED) for each in message.topics], None
    )


def _names(broker: Broker, message: DescribeTopicPartitionsRequest) -> tuple[list[str], int]:
    """The names to describe, and where the first of them begins."""
    names = {each.name for each in message.topics} or {each.name for each in broker.seen.topics()}
    cursor = message.cursor
    if cursor is None:
        return sorted(names), 0
    if cursor.partition_index < 0:
        raise ApiError(ErrorCode.INVALID_REQUEST, "the cursor's partition is negative")
    if message.topics and cursor.topic_name not in names:
        raise ApiError(ErrorCode.INVALID_REQUEST, "the cursor's topic is not asked for")
    return sorted(name for name in names if name >= cursor.topic_name), cursor.partition_index


def _described(
    broker: Broker, topic: Topic, indexes: range
) -> DescribeTopicPartitionsResponseTopic:
    node_id, leader_epoch = broker.config.node_id, broker.leader_epoch
    partitions = [
        DescribeTopicPartitionsResponsePartition(
            error_code=0,
            partition_index=index,
            leader_id=node_id,
            leader_epoch=leader_epoch,
            replica_nodes=[node_id],
            isr_nodes=[node_id],
            eligible_leader_replicas=[],
            last_known_elr=[],
            offline_replicas=[],
        )
        for index in indexes
    ]
    answer = _topic(topic.name, ErrorCode.NONE, topic.topic_id, partitions, TOPIC_OPERATIONS)
    answer.is_internal = topic.name == OFFSETS_TOPIC
    return answer


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    code = (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if name_refusal(name) is None
        else ErrorCode.INVALID_TOPIC_EXCEPTION
    )
    return _topic(name, code, ZERO_UUID, [], TOPIC_OPERATIONS)


def _topic(
    name: str,
    code: ErrorCode,
    topic_id: bytes,
    partitions: list[DescribeTopicPartitionsResponsePartition],
    operations: int,
) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        error_code=code,
        name=name,
        topic_id=topic_id,
        partitions=partitions,
        topic_authorized_operations=operations,
    )


def _response(
    topics: list[DescribeTopicPartitionsResponseTopic], next_cursor: Cursor | None
) -> DescribeTopicPartitionsResponse:
    return DescribeTopicPartitionsResponse(topics=topics, next_cursor=next_cursor)
