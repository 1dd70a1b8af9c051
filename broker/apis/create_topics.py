"""CreateTopics (key 19), v2-v7. Source: CreateTopicsRequest.json; KIP-464, KIP-525.

v4 defaults as -1 · v5 flexible, configs in the answer · v7 topic_id
Ours: a replication factor above 1 is taken as 1 with a warning (replication.factor.lenient); topics
    are answered when they are durable, in every durability that has a disk.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused
from ...protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ...protocol.schema import ZERO_UUID
from ..broker import Broker
from ..described import describe_topic
from ..metadata import Topic
from ..session import Session
from ..topics import NewTopic

REPLICATION_FACTOR = 1


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Create what can be created; each topic has its own answer."""
    message: CreateTopicsRequest = request.message
    refuse_in_no_time(message.timeout_ms)
    listed = Counter(each.name for each in message.topics)
    planned: list[Topic] = []
    results: list[CreatableTopicResult] = []
    for each in {each.name: each for each in message.topics}.values():
        topic = (
            Refused(ErrorCode.INVALID_REQUEST, f"topic {each.name} is listed twice")
            if listed[each.name] > 1
            else broker.plan_topic(_new_topic(each))
        )
        if isinstance(topic, Refused):
            results.append(_refused(each.name, topic.code, topic.why))
        else:
            planned.append(topic)
            results.append(_created(broker, topic))
    response = CreateTopicsResponse(topics=results)
    if not planned or message.validate_only:
        return response
    broker.create_topics(planned)
    why = "the topic could not be made durable"
    return broker.when_durable(
        response, lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, why)
    )


def refuse_in_no_time(timeout_ms: int) -> None:
    """What changes the cluster is done at once here, but within no time at all by nobody.

    Raises:
        ApiError: the time is up before anything is begun, as on Kafka's controller.
    """
    if timeout_ms <= 0:
        raise ApiError(ErrorCode.REQUEST_TIMED_OUT, f"timeout_ms is {timeout_ms}")


def refusal(message: CreateTopicsRequest, code: ErrorCode, why: str) -> CreateTopicsResponse:
    """The response that creates nothing."""
    return CreateTopicsResponse(topics=[_refused(each.name, code, why) for each in message.topics])


def _new_topic(asked: CreatableTopic) -> NewTopic:
    return NewTopic(
        name=asked.name,
        partition_count=asked.num_partitions,
        replication_factor=asked.replication_factor,
        assignments={each.partition_index: each.broker_ids for each in asked.assignments},
        configs={each.name: each.value for each in asked.configs},
    )


def _created(broker: Broker, topic: Topic) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=0,
        num_partitions=topic.partition_count,
        replication_factor=REPLICATION_FACTOR,
        configs=[
            CreatableTopicConfigs(
                name=each.name,
                value=each.value,
                read_only=False,
                config_source=each.source,
                is_sensitive=False,
            )
            for each in describe_topic(topic.overrides, broker.running_config)
        ],
    )


def _refused(name: str, code: ErrorCode, why: str) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=name, topic_id=ZERO_UUID, error_code=code, error_message=why, configs=[]
    )
