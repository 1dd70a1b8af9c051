"""CreateTopics (key 19), v2-v7. Source: CreateTopicsRequest.json; KIP-464, KIP-525.

v4 defaults as -1 · v5 flexible, configs in the answer · v7 topic_id
Ours: a replication factor above 1 is taken as 1 with a warning (replication.factor.lenient); topics
    are answered when they are durable, in every durability that has a disk.
"""

from __future__ import annotations

from collections import Counter

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused
from ...protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ..broker import Broker
from ..cluster.described_configs import describe_topic
from ..cluster.metadata import Topic
from ..cluster.topics import NewTopic
from ..limits import PARTITIONS_MAX
from ..security.rights.access import (
    ITEMS_A_STEP,
    Admitting,
    Gate,
    Part,
    Revealing,
    Rule,
    parted,
    with_field,
)
from ..session import Session
from ..waiting.long_work import Steps
from .metadata import may_create
from .topic_creation import create_topics

REPLICATION_FACTOR = 1
RESULTS_A_STEP = 10
_EXCESSIVE = "Excessively large number of partitions per request."


class Rights(Rule):
    """Create on the cluster, or on each name; the answer's configs need DescribeConfigs."""

    def admit(self, gate: Gate, message: CreateTopicsRequest) -> Admitting:
        """Take out what is refused."""
        kept, refused = yield from parted(
            message.topics, lambda each: may_create(gate, each.name, gate.may)
        )
        if not refused:
            return message, ()
        code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        part = Part(with_field(message, "topics", refused), "topics", code, "Authorization failed.")
        return with_field(message, "topics", kept) if kept else None, (part,)

    def reveal(
        self, gate: Gate, message: CreateTopicsRequest, response: CreateTopicsResponse
    ) -> Revealing:
        """Hide what a topic was made like."""
        for number, each in enumerate(response.topics, 1):
            right = AclOperation.DESCRIBE_CONFIGS
            if not each.error_code and not gate.sees(right, AclResourceType.TOPIC, each.name):
                each.topic_config_error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
                each.num_partitions = each.replication_factor = -1
                each.configs = []
            if not number % ITEMS_A_STEP:
                yield
        return response


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Create what can be created; each topic has its own answer."""
    message: CreateTopicsRequest = request.message
    refuse_in_no_time(message.timeout_ms)
    listed = Counter(each.name for each in message.topics)
    twice = {name for name, times in listed.items() if times > 1}
    if sum(map(_partition_count, message.topics)) > PARTITIONS_MAX:
        return refusal(message, ErrorCode.POLICY_VIOLATION, _EXCESSIVE)
    wanted = (_new_topic(each) for each in message.topics if each.name not in twice)
    outcomes = yield from create_topics(broker, wanted, validate_only=message.validate_only)
    described: dict[tuple[tuple[str, str], ...], list[CreatableTopicConfigs]] = {}
    results = []
    for number, name in enumerate(listed, 1):
        outcome = outcomes.get(name) or Refused(
            ErrorCode.INVALID_REQUEST, f"topic {name} is listed twice"
        )
        if isinstance(outcome, Refused):
            results.append(_refused(name, outcome.code, outcome.why))
        else:
            results.append(_created(broker, outcome, described))
        if not number % RESULTS_A_STEP:
            yield None
    response = CreateTopicsResponse(topics=results)
    if message.validate_only or not any(isinstance(each, Topic) for each in outcomes.values()):
        return response
    return broker.when_durable(
        response,
        lambda: refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, "it could not be made durable"),
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


def _partition_count(asked: CreatableTopic) -> int:
    """What Kafka counts: a number that is left to the broker, or makes no sense, is none."""
    return len(asked.assignments) or max(asked.num_partitions, 0)


def _created(
    broker: Broker,
    topic: Topic,
    described: dict[tuple[tuple[str, str], ...], list[CreatableTopicConfigs]],
) -> CreatableTopicResult:
    overrides = tuple(topic.overrides.items())
    if overrides not in described:  # most topics override nothing, and share this
        described[overrides] = [
            CreatableTopicConfigs(
                name=each.name,
                value=each.value,
                read_only=False,
                config_source=each.source.value,
                is_sensitive=False,
            )
            for each in describe_topic(topic.overrides, broker.running_config)
        ]
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=0,
        num_partitions=topic.partition_count,
        replication_factor=REPLICATION_FACTOR,
        configs=described[overrides],
    )


def _refused(name: str, code: ErrorCode, why: str) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=name, topic_id=ZERO_UUID, error_code=code, error_message=why, configs=[]
    )
