"""Committed offsets on the wire: requests to write, answers to read, for all versions.

Whom to ask and when to ask again is for those who commit: groups, admins, owners of sessions.
Source: OffsetCommitRequest.json, OffsetFetchRequest.json; KIP-709 (several groups in one fetch).
Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ...protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
)
from ..partitions import OffsetAndMetadata, TopicPartition

SEVERAL_GROUPS_SINCE = 8
FETCH_STABLE_SINCE = 7


def commit_topics(
    offsets: Mapping[TopicPartition, OffsetAndMetadata],
) -> list[OffsetCommitRequestTopic]:
    """The topics of an OffsetCommit."""
    topics: dict[str, list[OffsetCommitRequestPartition]] = {}
    for place, committed in sorted(offsets.items()):
        entry = OffsetCommitRequestPartition(
            partition_index=place.partition,
            committed_offset=committed.offset,
            committed_leader_epoch=committed.leader_epoch,
            committed_metadata=committed.metadata,
        )
        topics.setdefault(place.topic, []).append(entry)
    return [OffsetCommitRequestTopic(name=name, partitions=each) for name, each in topics.items()]


def commit_outside(
    group_id: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]
) -> OffsetCommitRequest:
    """A commit by nobody in particular: allowed while the group has no members."""
    return OffsetCommitRequest(group_id=group_id, topics=commit_topics(offsets))


def commit_codes(answer: OffsetCommitResponse) -> dict[TopicPartition, ErrorCode]:
    """What became of each partition."""
    return {
        TopicPartition(topic.name, each.partition_index): error_code(each.error_code)
        for topic in answer.topics
        for each in topic.partitions
    }


def fetch_request(
    group_id: str,
    places: Iterable[TopicPartition] | None,
    version_max: int,
    *,
    require_stable: bool,
) -> OffsetFetchRequest:
    """Ask for the offsets of these partitions, or of all the group has committed.

    Args:
        version_max: the highest version that the coordinator offers.
        require_stable: for who reads on from there: while a transaction is about to change an
            offset, UNSTABLE_OFFSET_COMMIT is the answer (KIP-447; v7 and later).
    """
    topics: list[OffsetFetchRequestTopic] | None = None
    if places is not None:
        by_name: dict[str, list[int]] = {}
        for topic, partition in sorted(places):
            by_name.setdefault(topic, []).append(partition)
        topics = [
            OffsetFetchRequestTopic(name=name, partition_indexes=each)
            for name, each in by_name.items()
        ]
    is_stable = require_stable and version_max >= FETCH_STABLE_SINCE
    if version_max < SEVERAL_GROUPS_SINCE:
        return OffsetFetchRequest(group_id=group_id, topics=topics, require_stable=is_stable)
    group = OffsetFetchRequestGroup(group_id=group_id, topics=topics)
    return OffsetFetchRequest(groups=[group], require_stable=is_stable)


def fetched(
    answer: OffsetFetchResponse,
) -> tuple[ErrorCode, dict[TopicPartition, OffsetAndMetadata]]:
    """The first error there is, and the offsets; partitions without one are left out."""
    topics, number = answer.topics, answer.error_code
    if answer.groups:
        topics, number = answer.groups[0].topics, answer.groups[0].error_code
    found: dict[TopicPartition, OffsetAndMetadata] = {}
    for topic in topics:
        for partition in topic.partitions:
            number = number or partition.error_code
            if partition.committed_offset >= 0:
                found[TopicPartition(topic.name, partition.partition_index)] = OffsetAndMetadata(
                    partition.committed_offset,
                    partition.metadata or "",
                    partition.committed_leader_epoch,
                )
    return error_code(number), found
