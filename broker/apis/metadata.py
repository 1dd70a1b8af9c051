"""Metadata (key 3), v0-v13. Source: MetadataRequest.json, MetadataResponse.json; KIP-516.

v0 no topics means all · v1 null means all, none means none · v4 auto-creation may be refused ·
v7 leader epochs · v8 authorized operations · v9 flexible · v10 topic ids · v12 topics by id: where
one is given it alone counts, whatever name stands beside it. A topic listed twice is told once
Ours: an unknown topic is created at once and answered with success; Kafka answers 3 and has it a
    moment later. Addresses are those of the listener that was asked.
    Without an authorizer everything is authorized, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from ...protocol.acls import CLUSTER_NAME, AclOperation, AclResourceType
from ...protocol.codec.schema import ZERO_UUID
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
from ..broker import Broker
from ..cluster.metadata import Topic
from ..cluster.topic_names import name_refusal
from ..cluster.topics import NewTopic
from ..security.rights.access import (
    ITEMS_A_STEP,
    Admitting,
    Gate,
    Revealing,
    Rule,
    parted,
    seen,
    with_field,
)
from ..session import Session
from ..transactions.offsets_partition import OFFSETS_TOPIC
from ..waiting.long_work import Steps, finished
from .topic_creation import Outcomes, create_topics

ALL_SINCE_NULL = 1
BY_ID_SINCE = 12

# Bits by AclOperation: all that a topic and a cluster know. Source: AclEntry.supportedOperations.
TOPIC_RIGHTS = tuple(map(AclOperation, (3, 4, 5, 6, 7, 8, 10, 11)))
CLUSTER_RIGHTS = tuple(map(AclOperation, (5, 7, 8, 9, 10, 11, 12)))
TOPIC_OPERATIONS = sum(1 << bit for bit in TOPIC_RIGHTS)
CLUSTER_OPERATIONS = sum(1 << bit for bit in CLUSTER_RIGHTS)
NOT_ASKED = -(2**31)

SHORT_MAX = 300  # partitions that are described at once, in well under a millisecond
TOPICS_A_STEP = 100
ROWS_A_STEP = 500


class Rights(Rule):
    """Describe on each topic; Create, too, on one that is made because it is asked for."""

    def admit(self, gate: Gate, message: MetadataRequest) -> Admitting:
        """Take out what is refused; whether it exists is not told."""
        asked = message.topics
        if asked is None or (not asked and gate.version < ALL_SINCE_NULL):
            return message, ()
        kept, _ = yield from parted(asked, lambda each: _is_allowed(gate, message, each, gate.may))
        return with_field(message, "topics", kept), ()

    def reveal(self, gate: Gate, message: MetadataRequest, response: MetadataResponse) -> Revealing:
        """Of all topics those that may be seen; and what may be done with each."""
        if message.topics is None or gate.version < ALL_SINCE_NULL:
            response.topics = yield from seen(
                gate, AclOperation.DESCRIBE, AclResourceType.TOPIC, response.topics, "name"
            )
        if message.topics and gate.version < ALL_SINCE_NULL:
            # Of v0 a request of which everything was taken out is one for everything.
            named = {each.name for each in message.topics}
            response.topics = [each for each in response.topics if each.name in named]
        if message.include_topic_authorized_operations:
            for number, topic in enumerate(response.topics, 1):
                if topic.name is not None:
                    topic.topic_authorized_operations = gate.operations(
                        AclResourceType.TOPIC, topic.name, TOPIC_RIGHTS
                    )
                if not number % ITEMS_A_STEP:
                    yield
        for number, each in enumerate(message.topics or (), 1):
            if not _is_allowed(gate, message, each, gate.sees):
                is_by_id = each.topic_id != ZERO_UUID
                name = None if is_by_id else each.name  # which has it, is hidden
                code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
                response.topics.append(_refused(name, each.topic_id, code))
            if not number % ITEMS_A_STEP:
                yield
        if message.include_cluster_authorized_operations:
            response.cluster_authorized_operations = cluster_operations(gate)
        return response


Asks = Callable[[AclOperation, AclResourceType, str], bool]


def _is_allowed(
    gate: Gate, message: MetadataRequest, asked: MetadataRequestTopic, asks: Asks
) -> bool:
    is_by_id = asked.topic_id != ZERO_UUID
    name = gate.topics.name_of(asked.topic_id) if is_by_id else asked.name
    if name is None:
        return True  # nobody's: told so
    if not asks(AclOperation.DESCRIBE, AclResourceType.TOPIC, name):
        return False
    if not message.allow_auto_topic_creation or not gate.topics.creates or is_by_id:
        return True
    return gate.topics.is_there(name) or may_create(gate, name, asks)


def may_create(gate: Gate, name: str, asks: Asks) -> bool:
    """Create on the cluster, or on what is so named."""
    return gate.sees(AclOperation.CREATE, AclResourceType.CLUSTER, CLUSTER_NAME) or gate.may(
        AclOperation.CREATE, AclResourceType.TOPIC, name
    )


def cluster_operations(gate: Gate) -> int:
    """What may be done with the cluster; nothing is told to who may not describe it."""
    if not gate.sees(AclOperation.DESCRIBE, AclResourceType.CLUSTER, CLUSTER_NAME):
        return 0
    return gate.operations(AclResourceType.CLUSTER, CLUSTER_NAME, CLUSTER_RIGHTS)


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Describe the topics asked for, creating what may be created."""
    message: MetadataRequest = request.message
    asked = message.topics
    if asked is None or (not asked and request.route.version < ALL_SINCE_NULL):
        steps = _all(broker, session, message)
        return finished(steps) if broker.state.partition_count <= SHORT_MAX else steps
    if request.route.version < BY_ID_SINCE:
        _refuse_ids(asked)
    elif any(each.topic_id != ZERO_UUID for each in asked):
        # As in Kafka: a request that has one id is one by ids, and mere names in it are not heard.
        asked = [each for each in asked if each.topic_id != ZERO_UUID]
    steps = _some(broker, session, message, asked)
    topics = broker.state.topics  # that of the groups has one partition, and is a guess
    # What they have in all, or a guess at it where names or ids are still to be looked up.
    count = sum(topics[each.name].partition_count if each.name in topics else 10 for each in asked)
    return finished(steps) if count <= SHORT_MAX else steps


def _all(broker: Broker, session: Session, message: MetadataRequest) -> Steps:
    listed = broker.seen.topics()
    rows = yield from _rows(broker, listed)
    topics = []
    for number, topic in enumerate(listed, 1):
        topics.append(_described(topic, rows))
        if not number % TOPICS_A_STEP:
            yield None
    return _response(broker, session, message, topics)


def _some(
    broker: Broker, session: Session, message: MetadataRequest, asked: list[MetadataRequestTopic]
) -> Steps:
    """Those asked for; each once, however often it is listed, as in Kafka."""
    if len(asked) > 1:
        asked = [*{(each.name, each.topic_id): each for each in asked}.values()]
    outcomes: Outcomes = {}
    if broker.config.auto_create_topics_enable and message.allow_auto_topic_creation:
        outcomes = yield from create_topics(broker, _missing(broker, asked))
    known = (broker.seen.topic(each.name or "") for each in asked)
    rows = yield from _rows(broker, (each for each in known if each is not None))
    topics = []
    for number, each in enumerate(asked, 1):
        topics.append(_answer(broker, each, outcomes, rows))
        if not number % TOPICS_A_STEP:
            yield None
    response = _response(broker, session, message, topics)
    created = {name for name, outcome in outcomes.items() if isinstance(outcome, Topic)}
    if not created:
        return response
    return broker.when_durable(response, lambda: _not_created(response, created))


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


def _missing(broker: Broker, asked: list[MetadataRequestTopic]) -> Iterator[NewTopic]:
    topics = broker.state.topics
    for each in asked:
        if (
            each.name is not None
            and each.topic_id == ZERO_UUID
            and each.name not in topics
            and each.name != OFFSETS_TOPIC  # there as soon as there is a group
        ):
            yield NewTopic(each.name)


def _answer(
    broker: Broker, asked: MetadataRequestTopic, outcomes: Outcomes, rows: Rows
) -> MetadataResponseTopic:
    name = asked.name
    if asked.topic_id != ZERO_UUID or name is None:
        name = broker.seen.name_of(asked.topic_id)
        if name is None:
            return _refused(None, asked.topic_id, ErrorCode.UNKNOWN_TOPIC_ID)
    topic = broker.seen.topic(name)
    if topic is not None:
        return _described(topic, rows)
    outcome = outcomes.get(name)
    if isinstance(outcome, Refused):
        return _refused(name, ZERO_UUID, outcome.code)
    if name_refusal(name) is not None:
        return _refused(name, ZERO_UUID, ErrorCode.INVALID_TOPIC_EXCEPTION)
    return _refused(name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


class Rows:
    """Partitions as they are described: those of one number are the same in every topic."""

    def __init__(self, broker: Broker) -> None:
        self._node_id, self._leader_epoch = broker.config.node_id, broker.leader_epoch
        self._made: list[MetadataResponsePartition] = []

    def first(self, count: int) -> list[MetadataResponsePartition]:
        """The partitions of a topic that has so many."""
        made = self._made
        for index in range(len(made), count):
            made.append(
                MetadataResponsePartition(
                    error_code=0,
                    partition_index=index,
                    leader_id=self._node_id,
                    leader_epoch=self._leader_epoch,
                    replica_nodes=[self._node_id],
                    isr_nodes=[self._node_id],
                    offline_replicas=[],
                )
            )
        return made[:count]


def _rows(broker: Broker, topics: Iterable[Topic]) -> Generator[None, None, Rows]:
    """Rows that have been made, in steps, for the largest of these topics."""
    rows = Rows(broker)
    count = max((topic.partition_count for topic in topics), default=0)
    for made in range(ROWS_A_STEP, count, ROWS_A_STEP):
        rows.first(made)
        yield
    return rows


def _described(topic: Topic, rows: Rows) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=0,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name == OFFSETS_TOPIC,
        partitions=rows.first(topic.partition_count),
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
