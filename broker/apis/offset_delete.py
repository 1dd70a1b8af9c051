"""OffsetDelete (key 47), v0. Source: OffsetDeleteRequest.json, OffsetDeleteResponse.json; KIP-496.

Ours: answered when durable. An offset that was never committed is deleted without an error; one
    that a transaction has pending stays, and is there when that commits.
"""

from __future__ import annotations

from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from ..broker import Broker
from ..groups.requests import coordinator_code
from ..security.rights.access import (
    ITEMS_A_STEP,
    Admitting,
    Gate,
    Revealing,
    Rule,
    Whole,
    parted,
    with_field,
)
from ..session import Session
from ..waiting.long_work import Steps, finished

PARTITIONS_A_STEP = 200


class ReadTopics(Rule):
    """Read on each topic."""

    def admit(self, gate: Gate, message: OffsetDeleteRequest) -> Admitting:
        """Take out what is refused."""
        kept, _ = yield from parted(
            message.topics,
            lambda each: gate.may(AclOperation.READ, AclResourceType.TOPIC, each.name),
        )
        return with_field(message, "topics", kept), ()

    def reveal(
        self, gate: Gate, message: OffsetDeleteRequest, response: OffsetDeleteResponse
    ) -> Revealing:
        """Put what was refused behind the others, unless the group itself was."""
        for number, each in enumerate(message.topics, 1):
            if not response.error_code and not gate.sees(
                AclOperation.READ, AclResourceType.TOPIC, each.name
            ):
                response.topics.append(_unauthorized(each))
            if not number % ITEMS_A_STEP:
                yield
        return response


def _unauthorized(asked: OffsetDeleteRequestTopic) -> OffsetDeleteResponseTopic:
    code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    return OffsetDeleteResponseTopic(
        name=asked.name,
        partitions=[
            OffsetDeleteResponsePartition(partition_index=each.partition_index, error_code=code)
            for each in asked.partitions
        ],
    )


ACCESS = (Whole(AclOperation.DELETE, AclResourceType.GROUP, "group_id"), ReadTopics())


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Delete committed offsets of topics that the group does not consume."""
    message: OffsetDeleteRequest = request.message
    steps = _delete(broker, message)
    count = len(message.topics) + sum(len(topic.partitions) for topic in message.topics)
    return finished(steps) if count <= PARTITIONS_A_STEP else steps


def _delete(broker: Broker, message: OffsetDeleteRequest) -> Steps:
    if not message.topics:
        broker.groups.offsets.delete(message.group_id, [])  # there may be no such group
    topics = []
    for topic in message.topics:
        answers: list[OffsetDeleteResponsePartition] = []
        for at in range(0, len(topic.partitions), PARTITIONS_A_STEP):
            asked = topic.partitions[at : at + PARTITIONS_A_STEP]
            answers += _delete_some(broker, message.group_id, topic.name, asked)
            yield None
        if answers:
            topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=answers))
    return broker.groups.ledger.when_durable(
        OffsetDeleteResponse(error_code=0, topics=topics),
        lambda: refusal(message, ErrorCode.NOT_COORDINATOR, ""),
    )


def _delete_some(
    broker: Broker, group_id: str, topic: str, asked: list[OffsetDeleteRequestPartition]
) -> list[OffsetDeleteResponsePartition]:
    found = broker.seen.topic(topic)
    count = 0 if found is None else found.partition_count
    known = [each.partition_index for each in asked if 0 <= each.partition_index < count]
    codes: dict[int, ErrorCode] = {}
    if known:
        partitions = [(topic, index) for index in known]
        deleted = broker.groups.offsets.delete(group_id, partitions)
        codes = dict(zip(known, deleted, strict=True))
    return [
        OffsetDeleteResponsePartition(
            partition_index=each.partition_index,
            error_code=codes.get(each.partition_index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        )
        for each in asked
    ]


def refusal(message: OffsetDeleteRequest, code: ErrorCode, why: str) -> OffsetDeleteResponse:
    """The response that deletes nothing."""
    return OffsetDeleteResponse(error_code=coordinator_code(code))
