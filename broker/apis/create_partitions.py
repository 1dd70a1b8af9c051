"""CreatePartitions (key 37), v0-v3. Source: CreatePartitionsRequest.json; KIP-195.

v2 flexible
Ours: `count` is the new total, as in Kafka; answered when it is durable.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from ..broker import Broker
from ..session import Session
from ..topics import plan_partitions
from .create_topics import refuse_in_no_time


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Let topics grow; each has its own answer."""
    message: CreatePartitionsRequest = request.message
    refuse_in_no_time(message.timeout_ms)
    listed = Counter(each.name for each in message.topics)
    counts: dict[str, int] = {}
    results = []
    for each in {each.name: each for each in message.topics}.values():
        refused = (
            Refused(ErrorCode.INVALID_REQUEST, f"topic {each.name} is listed twice")
            if listed[each.name] > 1
            else _refusal(broker, each)
        )
        if refused is None:
            counts[each.name] = each.count
            results.append(CreatePartitionsTopicResult(name=each.name, error_code=0))
        else:
            results.append(_refused(each, refused))
    response = CreatePartitionsResponse(results=results)
    if not counts or message.validate_only:
        return response
    broker.add_partitions(counts)
    why = "the new partitions could not be made durable"
    return broker.when_durable(
        response, lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, why)
    )


def refusal(
    message: CreatePartitionsRequest, code: ErrorCode, why: str
) -> CreatePartitionsResponse:
    """The response that adds nothing."""
    return CreatePartitionsResponse(
        results=[_refused(each, Refused(code, why)) for each in message.topics]
    )


def _refusal(broker: Broker, asked: CreatePartitionsTopic) -> Refused | None:
    topic = broker.state.topics.get(asked.name)
    if topic is None:
        return Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {asked.name}")
    assignments = asked.assignments
    return plan_partitions(
        topic,
        asked.count,
        None if assignments is None else [each.broker_ids for each in assignments],
        broker.config,
    )


def _refused(asked: CreatePartitionsTopic, refused: Refused) -> CreatePartitionsTopicResult:
    return CreatePartitionsTopicResult(
        name=asked.name, error_code=refused.code, error_message=refused.why
    )
