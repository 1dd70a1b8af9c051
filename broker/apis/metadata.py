"""Metadata (key 3), v0-v13. Source: MetadataRequest.json, MetadataResponse.json; KIP-516.

v0 no topics means all · v1 null means all, none means none · v4 auto-creation may be refused ·
v7 leader epochs · v8 authorized operations · v9 flexible · v10 topic ids · v12 topics by id: where
one is given it alone counts, whatever name stands beside it. A topic listed twice is told once
Ours: an unknown topic is created at once and answered with success; Kafka answers 3 and has it a
    moment later. Addresses are those of the listener that was asked.
    There is no authorizer, so everything is authorized, as in Kafka without one.
"""

from __future__ import annotations

from typing import Any

from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused
from ...protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from ...protocol.schema import ZERO_UUID
from ..broker import Broker
from ..metadata import Topic
from ..session import Session
from ..topic_names import name_refusal
from ..topics import NewTopic

ALL_SINCE_NULL = 1
BY_ID_SINCE = 12

# Bits by AclOperation: all that a topic and a cluster know. Source: AclEntry.supportedOperations.
TOPIC_OPERATIONS = sum(1 << bit for bit in (3, 4, 5, 6, 7, 8, 10, 11))
CLUSTER_OPERATIONS = sum(1 << bit for bit in (5, 7, 8, 9, 10, 11, 12))
NOT_ASKED = -(2**31)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Describe the topics asked for, creating what may be created."""
    message: MetadataRequest = request.message
    asked = message.topics
    if asked is None or (not asked and request.route.version < ALL_SINCE_NULL):
        topics = [_described(broker, topic) for topic in broker.state.topics.values()]
        return _response(broker, session, message, topics)
    if request.route.version < BY_ID_SINCE:
        _refuse_ids(asked)
    elif any(each.topic_id != ZERO_UUID for each in asked):
        # As in Kafka: a request that has one id is one by ids, and mere names in it are not heard.
        asked = [each for each in asked if each.topic_id != ZERO_UUID]
    asked = [*{(each.name, each.topic_id): each for each in asked}.values()]
    may_create = broker.config.auto_create_topics_enable and message.allow_auto_topic_creation
    created: list[Topic] = []
    refusals: dict[str, ErrorCode] = {}
    if may_create:
        created = _plan(broker, asked, refusals)
        if created:
            broker.create_topics(created)
    topics = [_answer(broker, each, refusals) for each in asked]
    response = _response(broker, session, message, topics)
    if not created:
        return response
    names = {topic.name for topic in created}
    return broker.when_durable(response, lambda: _not_created(response, names))


def refusal(message: MetadataRequest, code: ErrorCode, why: str) -> MetadataResponse:
    """The response that refuses every topic asked for; before v12 a name cannot be null."""
    return MetadataResponse(
        brokers=[],
        topics=[_refused(each.name or "", each.topic_id, code) for each in message.topics or ()],
        error_code=code,
    )


def _refuse_ids(asked: list[MetadataRequestTopic]) -> None:
    """Kafka's rule: v10 and v11 have the fields for ids, and may not use them."""
    if any(each.name is None or each.topic_id != ZERO_UUID for each in asked):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"topic ids need Metadata v{BY_ID_SINCE}")


def _plan(
    broker: Broker, asked: list[MetadataRequestTopic], refusals: dict[str, ErrorCode]
) -> list[Topic]:
    planned: dict[str, Topic] = {}
    for each in asked:
        name = each.name
        if (
            name is None
            or each.topic_id != ZERO_UUID
            or name in broker.state.topics
            or name in planned
        ):
            continue
        topic = broker.plan_topic(NewTopic(name))
        if isinstance(topic, Refused):
            refusals[name] = topic.code
        else:
            planned[name] = topic
    return list(planned.values())


def _answer(
    broker: Broker, asked: MetadataRequestTopic, refusals: dict[str, ErrorCode]
) -> MetadataResponseTopic:
    name = asked.name
    if asked.topic_id != ZERO_UUID or name is None:
        name = broker.state.names_by_id.get(asked.topic_id)
        if name is None:
            return _refused(None, asked.topic_id, ErrorCode.UNKNOWN_TOPIC_ID)
    topic = broker.state.topics.get(name)
    if topic is not None:
        return _described(broker, topic)
    if name in refusals:
        return _refused(name, ZERO_UUID, refusals[name])
    if name_refusal(name) is not None:
        return _refused(name, ZERO_UUID, ErrorCode.INVALID_TOPIC_EXCEPTION)
    return _refused(name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def _described(broker: Broker, topic: Topic) -> MetadataResponseTopic:
    node_id, leader_epoch = broker.config.node_id, broker.leader_epoch
    return MetadataResponseTopic(
        error_code=0,
        name=topic.name,
        topic_id=topic.topic_id,
        partitions=[
            MetadataResponsePartition(
                error_code=0,
                partition_index=index,
                leader_id=node_id,
                leader_epoch=leader_epoch,
                replica_nodes=[node_id],
                isr_nodes=[node_id],
                offline_replicas=[],
            )
            for index in range(topic.partition_count)
        ],
    )


def _refused(name: str | None, topic_id: bytes, code: ErrorCode) -> MetadataResponseTopic:
    return MetadataResponseTopic(error_code=code, name=name, topic_id=topic_id, partitions=[])


def _response(
    broker: Broker,
    session: Session,
    message: MetadataRequest,
    topics: list[MetadataResponseTopic],
) -> MetadataResponse:
    if message.include_topic_authorized_operations:
        for topic in topics:
            if topic.name is not None:
                topic.topic_authorized_operations = TOPIC_OPERATIONS
    node = MetadataResponseBroker(
        node_id=broker.config.node_id,
        host=session.host,
        port=session.port,
        rack=broker.config.broker_rack,
    )
    return MetadataResponse(
        brokers=[node],
        cluster_id=broker.state.cluster_id,
        controller_id=broker.config.node_id,
        topics=topics,
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if message.include_cluster_authorized_operations else NOT_ASKED
        ),
    )


def _not_created(response: MetadataResponse, names: set[str]) -> MetadataResponse:
    response.topics = [
        _refused(each.name, ZERO_UUID, ErrorCode.KAFKA_STORAGE_ERROR)
        if each.name in names
        else each
        for each in response.topics
    ]
    return response
