"""EDGE: Admin's calls about topics, their partitions and records.

Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...protocol.acls import AclOperation
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from ...protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from ...protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from ...protocol.messages.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from ...protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from ..cluster.list_offsets import MAX_TIMESTAMP, OffsetAndTimestamp
from ..door import door, place_door
from ..partitions import TopicPartition, name_of
from .asking import Asking, check
from .results import PartitionDescription, TopicDescription

DEFAULT_COUNT = -1
REPLICAS_MAX = 32_767
ALL_RECORDS = -1


class Topics:
    """Topics, their partitions and records."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def list_topics(self, *, list_internal: bool) -> list[str]:
        """Names of all topics, in order."""
        door.flag("list_internal", list_internal)

        async def ask() -> list[str]:
            answer = await self._ask_for_topics(None)
            return sorted(
                each.name or ""
                for each in answer.topics  # whatever is the matter with it: it is there
                if list_internal or not each.is_internal
            )

        return await self._asking.persist("list topics", ask)

    async def describe_topics(
        self, topics: Iterable[str] | None = None
    ) -> dict[str, TopicDescription]:
        """Partitions and leaders of these topics, or of all."""
        names = None if topics is None else sorted(set(door.texts("topics", topics)))

        async def ask() -> dict[str, TopicDescription]:
            answer = await self._ask_for_topics(names)
            for each in answer.topics:
                check(each.error_code, f"topic {each.name}", None, AclOperation.DESCRIBE)
            found = {each.name or "": _topic_description(each) for each in answer.topics}
            return found if names is None else {name: found[name] for name in names}

        return await self._asking.persist("describe topics", ask)

    async def create_topic(
        self,
        topic: str,
        *,
        num_partitions: int = DEFAULT_COUNT,
        replication_factor: int = DEFAULT_COUNT,
        configs: Mapping[str, str] | None = None,
    ) -> None:
        """Create a topic; counts of -1 leave the choice to the broker."""
        properties = {} if configs is None else door.properties("configs", configs)
        wanted = CreatableTopic(
            name=door.text("topic", topic),
            num_partitions=door.whole("num_partitions", num_partitions, DEFAULT_COUNT),
            replication_factor=door.whole(
                "replication_factor", replication_factor, DEFAULT_COUNT, REPLICAS_MAX
            ),
            configs=[
                CreatableTopicConfig(name=name, value=value) for name, value in properties.items()
            ],
        )
        request = CreateTopicsRequest(
            topics=[wanted], timeout_ms=self._asking.config.request_timeout_ms
        )
        await self._change(f"create topic {topic}", topic, request, "topics", AclOperation.CREATE)

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics with all their records."""
        left = set(door.texts("topics", topics))

        async def ask() -> None:
            names = sorted(
                left
            )  # those that were deleted are unknown when they are asked for again
            request = DeleteTopicsRequest(
                topics=[DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in names],
                topic_names=names,
                timeout_ms=self._asking.config.request_timeout_ms,
            )
            answer: DeleteTopicsResponse = await self._asking.request(
                await self._asking.controller(), request
            )
            results = {each.name: each for each in answer.responses}
            left.difference_update(name for name in names if not results[name].error_code)
            for name in sorted(left):
                result = results[name]
                what = f"delete topics: {name}"
                check(result.error_code, what, result.error_message, AclOperation.DELETE)

        await self._asking.persist("delete topics", ask)

    async def create_partitions(self, topic: str, total_count: int) -> None:
        """Give a topic more partitions, `total_count` altogether. Raises Fatal if it is refused."""
        wanted = CreatePartitionsTopic(
            name=door.text("topic", topic), count=door.whole("total_count", total_count)
        )
        request = CreatePartitionsRequest(
            topics=[wanted], timeout_ms=self._asking.config.request_timeout_ms
        )
        await self._change(
            f"create partitions of {topic}", topic, request, "results", AclOperation.ALTER
        )

    async def delete_records(
        self, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Delete every record below an offset of each partition; -1 stands for all there are."""
        wanted = place_door.by_place("offsets", offsets, _bound_of_records)
        left: dict[TopicPartition, int] = {}

        async def ask() -> None:
            missing = {place: each for place, each in wanted.items() if place not in left}
            for node_id, places in (await self._asking.by_leader(missing)).items():
                topics: dict[str, list[DeleteRecordsPartition]] = {}
                for place in places:
                    entry = DeleteRecordsPartition(
                        partition_index=place.partition, offset=wanted[place]
                    )
                    topics.setdefault(place.topic, []).append(entry)
                request = DeleteRecordsRequest(
                    topics=[DeleteRecordsTopic(name=t, partitions=p) for t, p in topics.items()],
                    timeout_ms=self._asking.config.request_timeout_ms,
                )
                answer = await self._asking.request(await self._asking.node(node_id), request)
                found = {
                    TopicPartition(topic.name, each.partition_index): each
                    for topic in answer.topics
                    for each in topic.partitions
                }
                for place in places:
                    check(found[place].error_code, name_of(place), None, AclOperation.DELETE)
                    left[place] = found[place].low_watermark

        await self._asking.persist("delete records", ask)
        return left

    async def list_offsets(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """Offsets at EARLIEST, LATEST, MAX_TIMESTAMP (the newest record) or a time in ms."""
        self._asking.owner.check()
        asked = place_door.by_place("timestamps", timestamps, _time_of_offset)
        return await self._asking.offsets.at(asked, self._asking.timeout_ms)

    async def _ask_for_topics(self, names: Sequence[str] | None) -> MetadataResponse:
        wanted = None
        if names is not None:
            wanted = [MetadataRequestTopic(topic_id=ZERO_UUID, name=name) for name in names]
        request = MetadataRequest(topics=wanted, allow_auto_topic_creation=False)
        answer: MetadataResponse = await self._asking.request(
            await self._asking.anywhere(), request
        )
        return answer

    async def _change(
        self, what: str, topic: str, request: Any, results: str, needed: AclOperation
    ) -> None:
        async def ask() -> None:
            answer = await self._asking.request(await self._asking.controller(), request)
            (result,) = (each for each in getattr(answer, results) if each.name == topic)
            check(result.error_code, f"{what}: {topic}", result.error_message, needed)

        await self._asking.persist(what, ask)


def _bound_of_records(name: str, value: object) -> int:
    return door.whole(name, value, ALL_RECORDS, door.LONG_MAX)


def _time_of_offset(name: str, value: object) -> int:
    return door.whole(name, value, MAX_TIMESTAMP, door.LONG_MAX)


def _topic_description(topic: MetadataResponseTopic) -> TopicDescription:
    partitions = sorted(topic.partitions, key=lambda each: each.partition_index)
    return TopicDescription(
        name=topic.name or "",
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=tuple(
            PartitionDescription(
                partition=each.partition_index,
                leader=each.leader_id,
                leader_epoch=each.leader_epoch,
                replicas=tuple(each.replica_nodes),
                isr=tuple(each.isr_nodes),
            )
            for each in partitions
        ),
    )
