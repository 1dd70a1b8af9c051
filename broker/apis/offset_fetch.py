"""OffsetFetch (key 9), v1-v9. Source: OffsetFetchRequest.json; KIP-447, KIP-709.

v2 null topics for all · v5 leader epochs · v7 require_stable · v8 several groups
Ours: an offset that was never committed is -1 without an error, for a group that nobody knows as
    well. Only durable offsets are told, so no crash takes back what was read. require_stable
    asks for nothing more: there are no transactions.
Left out: v10 (topic ids).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

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
from ..groups.records import OffsetCommitValue
from ..groups.requests import coordinator_code
from ..session import Session
from ..waiting.long_work import Steps, finished

MANY_SINCE = 8
PARTITIONS_A_STEP = 300


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
            topics = yield from _topics(each.topics, broker.groups.offsets.of_group(each.group_id))
            if each.topics is None:
                whole[each.group_id] = topics
        groups.append(OffsetFetchResponseGroup(group_id=each.group_id, topics=topics))
        yield None  # a group may be asked for nothing at all
    return broker.groups.ledger.when_durable(
        OffsetFetchResponse(groups=groups), lambda: _not_flushed(message)
    )


def _of_one(broker: Broker, message: OffsetFetchRequest) -> Steps:
    offsets = broker.groups.offsets.of_group(message.group_id)
    topics = yield from _topics(message.topics, offsets)
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
    asked: list[OffsetFetchRequestTopic] | None, offsets: Offsets
) -> Generator[None, None, list[OffsetFetchResponseTopic]]:
    """The offsets asked for, in the order of the request; all of them for None. In steps."""
    if asked is None:
        asked = [
            OffsetFetchRequestTopic(name=name, partition_indexes=[*partitions])
            for name, partitions in offsets.items()
        ]
    topics = []
    left = PARTITIONS_A_STEP
    for topic in asked:
        partitions: list[OffsetFetchResponsePartition] = []
        topics.append(OffsetFetchResponseTopic(name=topic.name, partitions=partitions))
        for index in topic.partition_indexes:
            value = _find(offsets, topic.name, index)
            partitions.append(_partition(index, value, ErrorCode.NONE))
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                yield
        yield
    return topics


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
