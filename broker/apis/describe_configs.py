"""DescribeConfigs (key 32), v1-v4. Source: DescribeConfigsRequest.json, ...Response.json; KIP-133.

v1 synonyms · v3 documentation and types · v4 flexible
No names, null or none, ask for all.
Ours: names that Kafka knows and that have no effect here are listed and say so.
Left out: loggers, client metrics and groups as resources (42).
"""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.acls import AclOperation
from ...protocol.configs import ConfigType, ResourceType
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused
from ...protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from ..broker import Broker
from ..cluster.config_changes import broker_refusal
from ..cluster.described_configs import (
    Described,
    describe_all_brokers,
    describe_broker,
    describe_topic,
)
from ..cluster.running_config import ALL_BROKERS
from ..cluster.topic_names import name_refusal
from ..session import Session
from ..waiting.long_work import Steps
from .config_rights import ConfigRights

RESOURCES_A_STEP = 100
# Properties made for one answer, shared ones once: each takes 400 bytes meanwhile.
RESULTS_MAX = 200_000

ACCESS = (ConfigRights(AclOperation.DESCRIBE_CONFIGS, "results"),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe each resource, as often as it is listed, as Kafka does."""
    message: DescribeConfigsRequest = request.message
    results, made = [], Made(message)
    for number, each in enumerate(message.resources, 1):
        results.append(_answer(broker, each, made))
        if made.is_much or not number % RESOURCES_A_STEP:
            made.is_much = False
            yield None
    return DescribeConfigsResponse(results=results)


def refusal(message: DescribeConfigsRequest, code: ErrorCode, why: str) -> DescribeConfigsResponse:
    """The response that refuses every resource."""
    return DescribeConfigsResponse(
        results=[_refused(each, Refused(code, why)) for each in message.resources]
    )


class Made:
    """What has been made for one request; most resources have nothing of their own, and share it.

    Attributes:
        is_much: something had to be made.
    """

    def __init__(self, message: DescribeConfigsRequest) -> None:
        self.is_much = False
        self._message = message
        self._results: dict[object, list[DescribeConfigsResourceResult]] = {}
        self._left_count = RESULTS_MAX

    def results(
        self, key: object, described: Callable[[], list[Described]], wanted: frozenset[str]
    ) -> list[DescribeConfigsResourceResult]:
        """What to answer for all resources of a key. Raises ApiError if it is too much."""
        found = self._results.get((key, wanted))
        if found is None:
            found = self._results[key, wanted] = [
                _result(each, self._message)
                for each in described()
                if not wanted or each.name in wanted
            ]
            self.is_much = True
            self._left_count -= len(found)
            if self._left_count < 0:
                raise ApiError(ErrorCode.INVALID_REQUEST, "ask for fewer resources at a time")
        return found


def _answer(broker: Broker, asked: DescribeConfigsResource, made: Made) -> DescribeConfigsResult:
    found = _described(broker, asked)
    if isinstance(found, Refused):
        return _refused(asked, found)
    return DescribeConfigsResult(
        error_code=0,
        error_message="",
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=made.results(*found, frozenset(asked.configuration_keys or ())),
    )


def _described(
    broker: Broker, asked: DescribeConfigsResource
) -> tuple[object, Callable[[], list[Described]]] | Refused:
    """What makes the answer, and a key in common with others that are answered alike."""
    name = asked.resource_name
    if asked.resource_type == ResourceType.TOPIC:
        topic = broker.seen.topic(name)
        if topic is not None:
            overrides = topic.overrides
            key = tuple(overrides.items())
            return key, lambda: describe_topic(overrides, broker.running_config)
        why = name_refusal(name)
        if why is not None:
            return Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, why)
        return Refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")
    if asked.resource_type == ResourceType.BROKER:
        refused = broker_refusal(name, broker.config)
        if refused is not None:
            return refused
        describe = describe_all_brokers if name == ALL_BROKERS else describe_broker
        return name, lambda: describe(broker.running_config)
    return Refused(
        ErrorCode.INVALID_REQUEST, f"resource type {asked.resource_type} is not kept here"
    )


def _result(each: Described, message: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    synonyms = each.synonyms if message.include_synonyms else ()
    return DescribeConfigsResourceResult(
        name=each.name,
        value=each.value,
        read_only=each.read_only,
        config_source=each.source.value,
        is_sensitive=each.property.type == ConfigType.PASSWORD,
        synonyms=[
            DescribeConfigsSynonym(name=one.name, value=one.value, source=one.source.value)
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
