"""DescribeConfigs (key 32), v1-v4. Source: DescribeConfigsRequest.json, ...Response.json; KIP-133.

v1 synonyms · v3 documentation and types · v4 flexible
No names, null or none, ask for all.
Ours: names that Kafka knows and that have no effect here are listed and say so.
Left out: loggers, client metrics and groups as resources (42).
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from ..broker import Broker
from ..config_changes import BROKER, TOPIC, broker_refusal
from ..described import Described, describe_all_brokers, describe_broker, describe_topic
from ..running_config import ALL_BROKERS
from ..session import Session
from ..topic_names import name_refusal


def handle(broker: Broker, request: Request, session: Session) -> DescribeConfigsResponse:
    """Describe each resource."""
    message: DescribeConfigsRequest = request.message
    return DescribeConfigsResponse(
        results=[_answer(broker, each, message) for each in message.resources]
    )


def refusal(message: DescribeConfigsRequest, code: ErrorCode, why: str) -> DescribeConfigsResponse:
    """The response that refuses every resource."""
    return DescribeConfigsResponse(
        results=[_refused(each, Refused(code, why)) for each in message.resources]
    )


def _answer(
    broker: Broker, asked: DescribeConfigsResource, message: DescribeConfigsRequest
) -> DescribeConfigsResult:
    described = _described(broker, asked)
    if isinstance(described, Refused):
        return _refused(asked, described)
    wanted = asked.configuration_keys
    return DescribeConfigsResult(
        error_code=0,
        error_message="",
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=[_result(each, message) for each in described if not wanted or each.name in wanted],
    )


def _described(broker: Broker, asked: DescribeConfigsResource) -> list[Described] | Refused:
    name = asked.resource_name
    if asked.resource_type == TOPIC:
        topic = broker.state.topics.get(name)
        if topic is not None:
            return describe_topic(topic.overrides, broker.running_config)
        why = name_refusal(name)
        if why is not None:
            return Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, why)
        return Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")
    if asked.resource_type == BROKER:
        refused = broker_refusal(name, broker.config)
        if refused is not None:
            return refused
        describe = describe_all_brokers if name == ALL_BROKERS else describe_broker
        return describe(broker.running_config)
    return Refused(
        ErrorCode.INVALID_REQUEST, f"resource type {asked.resource_type} is not kept here"
    )


def _result(each: Described, message: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    synonyms = each.synonyms if message.include_synonyms else ()
    return DescribeConfigsResourceResult(
        name=each.name,
        value=each.value,
        read_only=each.read_only,
        config_source=each.source,
        is_sensitive=False,
        synonyms=[
            DescribeConfigsSynonym(name=one.name, value=one.value, source=one.source)
            for one in synonyms
        ],
        config_type=each.property.type,
        documentation=each.property.documentation if message.include_documentation else None,
    )


def _refused(asked: DescribeConfigsResource, refused: Refused) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=refused.code,
        error_message=refused.why,
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=[],
    )
