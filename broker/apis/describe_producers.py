"""DescribeProducers (key 61), v0. Source: DescribeProducersRequest.json, ...Response.json; KIP-664.

v0 flexible
Ours: every producer id that the partition knows, in the order in which they first wrote; there are
    no transactions, so nothing of a coordinator is known (-1).
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_producers import (
    DescribeProducersPartition,
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeProducersState,
    DescribeProducersTopicResult,
)
from ..broker import Broker
from ..sequences import ProducerState
from ..session import Session
from ..topic_names import name_refusal


def handle(broker: Broker, request: Request, session: Session) -> DescribeProducersResponse:
    """Describe the producers of each partition."""
    message: DescribeProducersRequest = request.message
    return DescribeProducersResponse(
        topics=[
            DescribeProducersTopicResult(
                name=topic.name,
                partitions=[
                    _answer(broker, topic.name, index) for index in topic.partition_indexes
                ],
            )
            for topic in message.topics
        ]
    )


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


def _answer(broker: Broker, topic: str, index: int) -> DescribeProducersPartition:
    partition = broker.partition(topic, index)
    if partition is None:
        why = name_refusal(topic)
        if why is not None:
            return _refused(index, ErrorCode.INVALID_TOPIC_EXCEPTION, why)
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return _refused(index, code, f"there is no partition {topic}-{index}")
    return DescribeProducersPartition(
        partition_index=index,
        error_code=0,
        active_producers=[_state(each) for each in partition.sequences.producers()],
    )


def _state(producer: ProducerState) -> DescribeProducersState:
    newest = producer.batches[0]
    return DescribeProducersState(
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        last_sequence=newest.last_sequence,
        last_timestamp=newest.max_timestamp,
        coordinator_epoch=-1,
        current_txn_start_offset=-1,
    )


def _refused(index: int, code: ErrorCode, why: str) -> DescribeProducersPartition:
    return DescribeProducersPartition(
        partition_index=index, error_code=code, error_message=why, active_producers=[]
    )
