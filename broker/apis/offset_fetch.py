"""OffsetFetch (key 9), v1-v9. Source: OffsetFetchRequest.json; KIP-447, KIP-709.

v2 null topics for all · v5 leader epochs · v7 require_stable · v8 several groups
Ours: an offset that was never committed is -1 without an error, for a group that nobody knows as
    well. Only durable offsets are told, so no crash takes back what was read. With require_stable
    (KIP-447) a partition for which a transaction has an offset pending is UNSTABLE_OFFSET_COMMIT,
    until its marker is durable; of all topics those are listed as well that have nothing else.
Left out: v10 (topic ids).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from typing import Any

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from ..broker import Broker
from ..groups.offsets import Offsets
from ..groups.pending import Where
from ..groups.records import OffsetCommitValue
from ..groups.requests import coordinator_code
from ..security.rights.access import (
    ITEMS_A_STEP,
    REFUSALS,
    WHOLE,
    Admitting,
    Gate,
    Part,
    Revealing,
    Rule,
    seen,
    with_field,
)
from ..session import Session
from ..waiting.long_work import Steps, finished

WHOLE_SINCE = 2  # the answer has a code for all of it
MANY_SINCE = 8
PARTITIONS_A_STEP = 300


class Rights(Rule):
    """Describe on each group, and on each topic; of all topics those that may be seen."""

    def admit(self, gate: Gate, message: OffsetFetchRequest) -> Admitting:
        """Take out what is refused."""
        code, why = REFUSALS[AclResourceType.GROUP]
        if gate.version < MANY_SINCE:
            if gate.may(AclOperation.DESCRIBE, AclResourceType.GROUP, message.group_id):
                return with_field(message, "topics", (yield from _seen(gate, message.topics))), ()
            told = message if gate.version < WHOLE_SINCE else with_field(message, "topics", [])
            return None, (Part(told, WHOLE, code, why),)
        kept, refused = [], []
        for each in message.groups:
            if gate.may(AclOperation.DESCRIBE, AclResourceType.GROUP, each.group_id):
                topics = yield from _seen(gate, each.topics)
                kept.append(with_field(each, "topics", topics))
            else:
                refused.append(each)
            yield
        part = Part(with_field(message, "groups", refused), "groups", code, why)
        return with_field(message, "groups", kept), (part,) if refused else ()

    def reveal(
        self, gate: Gate, message: OffsetFetchRequest, response: OffsetFetchResponse
    ) -> Revealing:
        """Put what was refused behind the others; of all topics leave it out."""
        if gate.version < MANY_SINCE:
            answered = response.topics
            response.topics = yield from _told(gate, message.topics, answered)
            return response
        asked = {each.group_id: each.topics for each in message.groups}
        for group in response.groups:
            group.topics = yield from _told(gate, asked.get(group.group_id), group.topics)
        return response


def _seen(
    gate: Gate, asked: list[OffsetFetchRequestTopic] | None
) -> Generator[None, Any, list[OffsetFetchRequestTopic] | None]:
    if asked is None:
        return None
    return (yield from seen(gate, AclOperation.DESCRIBE, AclResourceType.TOPIC, asked, "name"))


def _told(
    gate: Gate,
    asked: list[OffsetFetchRequestTopic] | None,
    answered: list[OffsetFetchResponseTopic],
) -> Generator[None, Any, list[OffsetFetchResponseTopic]]:
    if asked is None:
        return (
            yield from seen(gate, AclOperation.DESCRIBE, AclResourceType.TOPIC, answered, "name")
        )
    told = [*answered]
    for number, each in enumerate(asked, 1):
        if not gate.sees(AclOperation.DESCRIBE, AclResourceType.TOPIC, each.name):
            code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            partitions = [_partition(index, None, code) for index in each.partition_indexes]
            told.append(OffsetFetchResponseTopic(name=each.name, partitions=partitions))
        if not number % ITEMS_A_STEP:
            yield
    return told


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Any:
    """Tell the committed offsets of one group or several."""
    message: OffsetFetchRequest = request.message
    if request.route.version >= MANY_SINCE:
        steps, listed = _of_groups(broker, message), [each.topics for each in message.groups]
    else:
        steps, listed = _of_one(broker, message), [message.topics]
    return steps if any(map(_is_long, listed)) or len(listed) > 1 else finished(steps)


def _is_long(asked: list[OffsetFetchRequestTopic] | None) -> bool:
    if asked is None:  # all there are
        return True
    return len(asked) + sum(len(topic.partition_indexes) for topic in asked) > PARTITIONS_A_STEP


def _of_groups(broker: Broker, message: OffsetFetchRequest) -> Steps:
    """Each group as often as it is listed, as Kafka does; all of its offsets are gathered once."""
    whole: dict[str, list[OffsetFetchResponseTopic]] = {}
    groups = []
    for each in message.groups:
        topics = whole.get(each.group_id) if each.topics is None else None
        if topics is None:
            topics = yield from _topics(broker, each.group_id, each.topics, message.require_stable)
            if each.topics is None:
                whole[each.group_id] = topics
        groups.append(OffsetFetchResponseGroup(group_id=each.group_id, topics=topics))
        yield None  # a group may be asked for nothing at all
    return broker.groups.ledger.when_durable(
        OffsetFetchResponse(groups=groups), lambda: _not_flushed(message)
    )


def _of_one(broker: Broker, message: OffsetFetchRequest) -> Steps:
    topics = yield from _topics(broker, message.group_id, message.topics, message.require_stable)
    return broker.groups.ledger.when_durable(
        OffsetFetchResponse(topics=topics), lambda: _not_flushed(message)
    )


def _not_flushed(message: OffsetFetchRequest) -> OffsetFetchResponse:
    return refusal(message, ErrorCode.NOT_COORDINATOR, "")


def refusal(message: OffsetFetchRequest, code: ErrorCode, why: str) -> OffsetFetchResponse:
    """The response that tells nothing, in the old form and the new."""
    refused = coordinator_code(code)
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[_partition(index, None, refused) for index in topic.partition_indexes],
            )
            for topic in message.topics or ()
        ],
        error_code=refused,
        groups=[
            OffsetFetchResponseGroup(group_id=each.group_id, topics=[], error_code=refused)
            for each in message.groups
        ],
    )


def _topics(
    broker: Broker,
    group_id: str,
    asked: list[OffsetFetchRequestTopic] | None,
    require_stable: bool,
) -> Generator[None, None, list[OffsetFetchResponseTopic]]:
    """The offsets asked for, in the order of the request; all of them for None. In steps."""

    def look() -> tuple[Offsets, Collection[Where]]:
        # 1. an offset is pending, and the group has no other  2. its marker comes between two steps
        # 3. who still looked at what there was before would find nothing, and say so: the consumer
        # would begin anew. So after each step both are looked up again.
        found = broker.groups.offsets
        return found.of_group(group_id), found.unstable_in(group_id) if require_stable else ()

    offsets, unstable = look()
    if asked is None:
        asked = _all_of(offsets, unstable)
    topics = []
    left = PARTITIONS_A_STEP
    for topic in asked:
        partitions: list[OffsetFetchResponsePartition] = []
        topics.append(OffsetFetchResponseTopic(name=topic.name, partitions=partitions))
        for index in topic.partition_indexes:
            if (topic.name, index) in unstable:
                each = _partition(index, None, ErrorCode.UNSTABLE_OFFSET_COMMIT)
            else:
                each = _partition(index, _find(offsets, topic.name, index), ErrorCode.NONE)
            partitions.append(each)
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                yield
                offsets, unstable = look()
        yield
        offsets, unstable = look()
    return topics


def _all_of(offsets: Offsets, unstable: Collection[Where]) -> list[OffsetFetchRequestTopic]:
    """Everything that a group has, or is about to have."""
    partitions = {name: dict.fromkeys(each) for name, each in offsets.items()}
    for name, index in unstable:
        partitions.setdefault(name, {})[index] = None
    return [
        OffsetFetchRequestTopic(name=name, partition_indexes=[*each])
        for name, each in partitions.items()
    ]


def _find(
    offsets: Mapping[str, Mapping[int, OffsetCommitValue]], topic: str, index: int
) -> OffsetCommitValue | None:
    return offsets.get(topic, {}).get(index)


def _partition(
    index: int, value: OffsetCommitValue | None, code: ErrorCode
) -> OffsetFetchResponsePartition:
    return OffsetFetchResponsePartition(
        partition_index=index,
        committed_offset=-1 if value is None else value.offset,
        committed_leader_epoch=-1 if value is None else value.leader_epoch,
        metadata="" if value is None else value.metadata,
        error_code=code,
    )
