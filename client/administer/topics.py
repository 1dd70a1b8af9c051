"""EDGE: Admin's calls about topics, partitions, configurations and records.

Tests: tests/system/client/test_client_groups.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...protocol.codec.schema import ZERO_UUID
from ...protocol.configs import AlterOperation, ConfigSource, ResourceType
from ...protocol.errors import ErrorCode
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
from ...protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ...protocol.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from ...protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
)
from ...protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from ...protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from ..cluster.connection import Connection
from ..cluster.list_offsets import MAX_TIMESTAMP, OffsetAndTimestamp
from ..door import door, place_door
from ..partitions import TopicPartition, name_of
from .asking import Asking, check
from .results import (
    BrokerNode,
    ClusterDescription,
    ConfigEntry,
    ConfigResource,
    PartitionDescription,
    TopicDescription,
)

TYPE_MAX = 127
DEFAULT_COUNT = -1
REPLICAS_MAX = 32_767
ALL_RECORDS = -1
NO_PARTITION = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


class Topics:
    """Topics, partitions, configurations, records and the cluster."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def describe_cluster(self) -> ClusterDescription:
        """The brokers and the controller."""

        async def ask() -> ClusterDescription:
            connection = await self._asking.anywhere()
            answer: DescribeClusterResponse = await self._asking.request(
                connection, DescribeClusterRequest()
            )
            check(answer.error_code, "describe the cluster", answer.error_message)
            brokers = sorted(answer.brokers, key=lambda each: each.broker_id)
            return ClusterDescription(
                answer.cluster_id,
                answer.controller_id,
                tuple(BrokerNode(each.broker_id, each.host, each.port, each.rack)
                      for each in brokers),
            )  # fmt: skip

        return await self._asking.persist("describe the cluster", ask)

    async def list_topics(self) -> list[str]:
        """Names of all topics, in order; those of the broker itself are left out."""
        return sorted(each.name for each in await self._topics(None) if not each.is_internal)

    async def describe_topics(
        self, topics: Iterable[str] | None = None
    ) -> dict[str, TopicDescription]:
        """Partitions and leaders of these topics, or of all."""
        names = None if topics is None else sorted(set(door.texts("topics", topics)))
        return {each.name: each for each in await self._topics(names)}

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
        await self._change(f"create topic {topic}", request, "topics")

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics with all their records."""
        names = sorted(set(door.texts("topics", topics)))
        states = [DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in names]
        request = DeleteTopicsRequest(
            topics=states, topic_names=names, timeout_ms=self._asking.config.request_timeout_ms
        )
        await self._change("delete topics", request, "responses")

    async def create_partitions(self, topic: str, total_count: int) -> None:
        """Give a topic more partitions, `total_count` altogether. Raises Fatal if it is refused."""
        wanted = CreatePartitionsTopic(
            name=door.text("topic", topic), count=door.whole("total_count", total_count)
        )
        request = CreatePartitionsRequest(
            topics=[wanted], timeout_ms=self._asking.config.request_timeout_ms
        )
        await self._change(f"create partitions of {topic}", request, "results")

    async def describe_configs(self, resource: ConfigResource) -> dict[str, ConfigEntry]:
        """Every property in force, by name. Raises Fatal if there is no such resource."""
        _examine(resource)

        async def ask() -> dict[str, ConfigEntry]:
            wanted = DescribeConfigsResource(
                resource_type=resource.type_id, resource_name=resource.name
            )
            answer: DescribeConfigsResponse = await self._asking.request(
                await self._keeper_of(resource), DescribeConfigsRequest(resources=[wanted])
            )
            result = answer.results[0]
            check(result.error_code, resource.name, result.error_message)
            return {each.name: _config_entry(each) for each in result.configs}

        return await self._asking.persist(f"describe the configuration of {resource.name}", ask)

    async def alter_configs(
        self, resource: ConfigResource, changes: Mapping[str, str | None]
    ) -> None:
        """Set properties, or take their default again where the value is None; all or none."""
        _examine(resource)
        wanted = door.properties("changes", changes)
        altered = AlterConfigsResource(
            resource_type=resource.type_id,
            resource_name=resource.name,
            configs=[
                AlterableConfig(
                    name=name,
                    config_operation=AlterOperation.DELETE if value is None else AlterOperation.SET,
                    value=value,
                )
                for name, value in wanted.items()
            ],
        )
        request = IncrementalAlterConfigsRequest(resources=[altered], validate_only=False)

        async def ask() -> None:
            answer = await self._asking.request(await self._keeper_of(resource), request)
            for each in answer.responses:
                check(each.error_code, resource.name, each.error_message)

        await self._asking.persist(f"alter the configuration of {resource.name}", ask)

    async def delete_records(
        self, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Delete every record below an offset of each partition; -1 stands for all there are."""
        wanted = place_door.by_place("offsets", offsets, _bound_of_records)
        left: dict[TopicPartition, int] = {}

        async def ask() -> None:
            missing = {place: each for place, each in wanted.items() if place not in left}
            for node_id, places in (await self._by_leader(missing)).items():
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
                for topic in answer.topics:
                    for partition in topic.partitions:
                        place = TopicPartition(topic.name, partition.partition_index)
                        check(partition.error_code, name_of(place))
                        left[place] = partition.low_watermark

        await self._asking.persist("delete records", ask)
        return left

    async def list_offsets(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """Offsets at EARLIEST, LATEST, MAX_TIMESTAMP (the newest record) or a time in ms."""
        self._asking.owner.check()
        asked = place_door.by_place("timestamps", timestamps, _time_of_offset)
        return await self._asking.offsets.at(asked, self._asking.timeout_ms)

    async def _topics(self, names: Sequence[str] | None) -> list[TopicDescription]:
        wanted = None
        if names is not None:
            wanted = [MetadataRequestTopic(topic_id=ZERO_UUID, name=name) for name in names]
        request = MetadataRequest(topics=wanted, allow_auto_topic_creation=False)

        async def ask() -> list[TopicDescription]:
            answer: MetadataResponse = await self._asking.request(
                await self._asking.anywhere(), request
            )
            for each in answer.topics:
                check(each.error_code, f"topic {each.name}")
            return [_topic_description(each) for each in answer.topics]

        return await self._asking.persist("describe topics", ask)

    async def _change(self, what: str, request: Any, results: str) -> None:
        async def ask() -> None:
            answer = await self._asking.request(await self._asking.controller(), request)
            for result in getattr(answer, results):
                said = getattr(result, "error_message", None)
                check(result.error_code, f"{what}: {result.name}", said)

        await self._asking.persist(what, ask)

    async def _keeper_of(self, resource: ConfigResource) -> Connection:
        if resource.type_id == ResourceType.BROKER and resource.name:
            return await self._asking.node(int(resource.name))
        return await self._asking.anywhere()

    async def _by_leader(self, places: Iterable[TopicPartition]) -> dict[int, list[TopicPartition]]:
        by_node: dict[int, list[TopicPartition]] = {}
        metadata = self._asking.cluster.metadata
        for place in sorted(places):
            await self._asking.cluster.ensure_topic(place.topic, self._asking.timeout_ms)
            node_id = metadata.leader_of(*place)
            if node_id < 0:
                is_there = place.partition in metadata.topics[place.topic].leaders
                code = ErrorCode.LEADER_NOT_AVAILABLE if is_there else NO_PARTITION
                check(code, name_of(place))
            by_node.setdefault(node_id, []).append(place)
        return by_node


def _examine(resource: ConfigResource) -> None:
    door.instance("resource", resource, ConfigResource)
    door.whole("the type_id of resource", resource.type_id, 0, TYPE_MAX)
    name = door.text("the name of resource", resource.name)
    if (
        resource.type_id == ResourceType.BROKER
        and name
        and not (name.isascii() and name.isdecimal())
    ):
        raise ValueError(f"the name of resource is {name!r}: a broker is named by its node id")


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


def _config_entry(config: DescribeConfigsResourceResult) -> ConfigEntry:
    known = {source.value for source in ConfigSource}
    number = config.config_source if config.config_source in known else 0
    return ConfigEntry(
        name=config.name,
        value=config.value,
        source=ConfigSource(number),
        is_read_only=config.read_only,
        is_sensitive=config.is_sensitive,
        documentation=config.documentation,
    )
