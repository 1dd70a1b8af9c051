"""OffsetFetch (key 9), v1-v9. Source: OffsetFetchRequest.json; KIP-447, KIP-709.

v2 null topics for all · v5 leader epochs · v7 require_stable · v8 several groups
Ours: an offset that was never committed is -1 without an error, for a group that nobody knows as
    well. Only durable offsets are told, so no crash takes back what was read. require_stable
    asks for nothing more: there are no transactions.
Left out: v10 (topic ids).
"""

from __future__ import annotations

from collections.abc import Mapping

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
from ..groups.coordinator import coordinator_code
from ..groups.offsets import Offsets
from ..groups.records import OffsetCommitValue
from ..parked import Promise
from ..session import Session

MANY_SINCE = 8
CODE_SINCE = 2


def handle(broker: Broker, request: Request, session: Session) -> Promise:
    """Tell the committed offsets of one group or several."""
    message: OffsetFetchRequest = request.message
    if request.route.version >= MANY_SINCE:
        response = OffsetFetchResponse(
            groups=[
                OffsetFetchResponseGroup(
                    group_id=each.group_id,
                    topics=_topics(each.topics, broker.groups.offsets_of(each.group_id)),
                )
                for each in message.groups
            ]
        )
    else:
        offsets = broker.groups.offsets_of(message.group_id)
        response = OffsetFetchResponse(topics=_topics(message.topics, offsets))
    promise = Promise()
    refused = refusal(message, ErrorCode.NOT_COORDINATOR, "")
    broker.groups.ledger.answer(response, refused, promise.keep)
    return promise


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
) -> list[OffsetFetchResponseTopic]:
    """The offsets asked for, in the order of the request; all of them for None."""
    if asked is None:
        asked = [
            OffsetFetchRequestTopic(name=name, partition_indexes=[*partitions])
            for name, partitions in offsets.items()
        ]
    return [
        OffsetFetchResponseTopic(
            name=topic.name,
            partitions=[
                _partition(index, _find(offsets, topic.name, index), ErrorCode.NONE)
                for index in topic.partition_indexes
            ],
        )
        for topic in asked
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
