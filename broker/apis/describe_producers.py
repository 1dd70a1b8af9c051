"""DescribeProducers (key 61), v0. Source: DescribeProducersRequest.json, ...Response.json; KIP-664.

v0 flexible
Ours: every producer id that the partition knows, those that have been idle longest first.
"""

from __future__ import annotations

from collections.abc import Generator

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode
from ...protocol.messages.describe_producers import (
    DescribeProducersPartition,
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeProducersState,
    DescribeProducersTopicResult,
)
from ..broker import Broker
from ..cluster.topic_names import name_refusal
from ..partitions.open_transactions import OpenTransaction
from ..partitions.sequences import ProducerState
from ..security.rights.access import Each
from ..session import Session
from ..waiting.long_work import Steps

PARTITIONS_A_STEP = 100
PRODUCERS_ANSWERED_MAX = 400_000  # of all partitions asked for; each takes 200 bytes meanwhile

ACCESS = (Each(AclOperation.READ, AclResourceType.TOPIC, "topics", "topics"),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe the producers of each partition, as often as it is listed, as Kafka does."""
    message: DescribeProducersRequest = request.message
    made: dict[tuple[str, int], DescribeProducersPartition] = {}
    topics, left_count = [], PRODUCERS_ANSWERED_MAX
    for topic in message.topics:
        partitions = []
        for number, index in enumerate(topic.partition_indexes, 1):
            key = (topic.name, index)
            if key not in made:
                made[key] = yield from _answer(broker, topic.name, index)
                left_count -= len(made[key].active_producers)
                if left_count < 0:
                    raise ApiError(ErrorCode.INVALID_REQUEST, "ask for fewer partitions at a time")
            partitions.append(made[key])
            if not number % PARTITIONS_A_STEP:
                yield None
        topics.append(DescribeProducersTopicResult(name=topic.name, partitions=partitions))
    return DescribeProducersResponse(topics=topics)


def refusal(
    message: DescribeProducersRequest, code: ErrorCode, why: str
) -> DescribeProducersResponse:
    """The response that refuses every partition of a request."""
    return DescribeProducersResponse(
        topics=[
            DescribeProducersTopicResult(
                name=topic.name,
                partitions=[_refused(index, code, why) for index in topic.partition_indexes],
            )
            for topic in message.topics
        ]
    )


def _answer(
    broker: Broker, topic: str, index: int
) -> Generator[None, None, DescribeProducersPartition]:
    partition = broker.seen.partition(topic, index)
    if partition is None:
        why = name_refusal(topic)
        if why is not None:
            return _refused(index, ErrorCode.INVALID_TOPIC_EXCEPTION, why)
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return _refused(index, code, f"there is no partition {topic}-{index}")
    producers: list[DescribeProducersState] = []
    opened = partition.transactions.by_producer
    for number, each in enumerate(partition.sequences.producers(), 1):
        producers.append(_state(each, opened.get(each.producer_id)))
        if not number % PARTITIONS_A_STEP:
            yield
    return DescribeProducersPartition(
        partition_index=index, error_code=0, active_producers=producers
    )


def _state(producer: ProducerState, opened: OpenTransaction | None) -> DescribeProducersState:
    return DescribeProducersState(
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        last_sequence=producer.last_sequence,
        last_timestamp=producer.last_timestamp,
        coordinator_epoch=producer.coordinator_epoch,
        current_txn_start_offset=-1 if opened is None else opened.first_offset,
    )


def _refused(index: int, code: ErrorCode, why: str) -> DescribeProducersPartition:
    return DescribeProducersPartition(
        partition_index=index, error_code=code, error_message=why, active_producers=[]
    )
