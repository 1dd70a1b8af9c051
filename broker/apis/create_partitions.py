"""CreatePartitions (key 37), v0-v3. Source: CreatePartitionsRequest.json; KIP-195.

v2 flexible
Ours: `count` is the new total, as in Kafka; answered when it is durable.
"""

from __future__ import annotations

from collections import Counter

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from ..broker import Broker
from ..cluster.topic_names import no_topic
from ..cluster.topics import plan_partitions
from ..limits import PARTITIONS_IN_ALL_MAX
from ..security.rights.access import Each
from ..session import Session
from ..waiting.long_work import Steps
from .create_topics import refuse_in_no_time
from .topic_creation import too_many

TOPICS_A_STEP = 25

ACCESS = (Each(AclOperation.ALTER, AclResourceType.TOPIC, "topics", "results"),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Let topics grow; each has its own answer."""
    message: CreatePartitionsRequest = request.message
    refuse_in_no_time(message.timeout_ms)
    listed = Counter(each.name for each in message.topics)
    results: list[CreatePartitionsTopicResult] = []
    growing = _Growing(broker, validate_only=message.validate_only)
    for number, each in enumerate({each.name: each for each in message.topics}.values(), 1):
        refused = (
            Refused(ErrorCode.INVALID_REQUEST, f"topic {each.name} is listed twice")
            if listed[each.name] > 1
            else _refusal(broker, each) or growing.grow(each)
        )
        if refused is None:
            results.append(CreatePartitionsTopicResult(name=each.name, error_code=0))
        else:
            results.append(_refused(each, refused))
        if not number % TOPICS_A_STEP:
            growing.write()  # before anybody else can change these topics
            yield None
    growing.write()
    response = CreatePartitionsResponse(results=results)
    if not growing.has_written:
        return response
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


class _Growing:
    """Topics that are to grow, written in portions."""

    def __init__(self, broker: Broker, *, validate_only: bool) -> None:
        self.has_written = False
        self._broker = broker
        self._validate_only = validate_only
        self._counts: dict[str, int] = {}
        self._added = 0  # partitions that are planned and not written

    def grow(self, asked: CreatePartitionsTopic) -> Refused | None:
        """Plan it; why not, if the broker would have too many."""
        state = self._broker.state
        added = self._added + asked.count - state.topics[asked.name].partition_count
        if state.partition_count + added > PARTITIONS_IN_ALL_MAX:
            why = too_many(state.partition_count + added)
            return Refused(ErrorCode.POLICY_VIOLATION, why)
        self._added = added
        self._counts[asked.name] = asked.count
        return None

    def write(self) -> None:
        """Let those grow that were planned. Raises StorageError: none of them did."""
        if self._counts and not self._validate_only:
            self._broker.add_partitions(self._counts)
            self._counts, self._added = {}, 0
            self.has_written = True


def _refusal(broker: Broker, asked: CreatePartitionsTopic) -> Refused | None:
    topic = broker.state.topics.get(asked.name)
    if topic is None:
        return no_topic(asked.name)
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
