"""EDGE: all that a broker knows, as values that JSON can hold, to be compared over versions.

Used by tests/golden/write_directory.py, which may run with an older minibroker: only what every
version has is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from minibroker.client import Admin
from minibroker.client.administer.results import ConfigEntry, ConfigResource
from minibroker.client.cluster.connection import Connection
from minibroker.client.cluster.list_offsets import EARLIEST, LATEST
from minibroker.client.partitions import TopicPartition
from minibroker.protocol.batch.header import headers_in
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

Contents = dict[str, Any]
FETCH_BYTES = 4 * 1024 * 1024


async def contents(port: int) -> Contents:
    """Topics with their ids and overrides, logs by what they hold, groups with their offsets."""
    server = f"127.0.0.1:{port}"
    connection = await Connection.open("127.0.0.1", port)
    try:
        async with Admin(bootstrap_servers=server) as admin:
            found: Contents = {"cluster_id": (await admin.describe_cluster()).cluster_id}
            configs = await admin.describe_configs(ConfigResource.broker(None))
            found["configs"] = _overrides(configs, "DYNAMIC_DEFAULT_BROKER_CONFIG")
            found["topics"], found["logs"], found["groups"] = {}, {}, {}
            for name in sorted(await admin.list_topics()):
                if not name.startswith("__"):
                    await _look_at_topic(admin, connection, name, found)
            for group in sorted(each.group_id for each in await admin.list_groups()):
                offsets = await admin.list_group_offsets(group)
                found["groups"][group] = {
                    f"{topic}-{number}": [each.offset, each.metadata]
                    for (topic, number), each in sorted(offsets.items())
                }
            return found
    finally:
        await connection.close()


async def _look_at_topic(admin: Admin, connection: Connection, name: str, found: Contents) -> None:
    topic = (await admin.describe_topics([name]))[name]
    configs = await admin.describe_configs(ConfigResource.topic(name))
    found["topics"][name] = {
        "id": topic.topic_id.hex(),
        "partitions": len(topic.partitions),
        "configs": _overrides(configs, "DYNAMIC_TOPIC_CONFIG"),
    }
    for number in range(len(topic.partitions)):
        place = TopicPartition(name, number)
        start = (await admin.list_offsets({place: EARLIEST}))[place].offset
        end = (await admin.list_offsets({place: LATEST}))[place].offset
        found["logs"][f"{name}-{number}"] = {
            "start": start,
            "end": end,
            "records": await _digest(connection, place, start, end),
        }


def _overrides(configs: Mapping[str, ConfigEntry], source: str) -> dict[str, str | None]:
    return {
        name: each.value for name, each in sorted(configs.items()) if each.source.name == source
    }


async def _digest(connection: Connection, place: TopicPartition, start: int, end: int) -> str:
    """A digest of every record from `start` on: offset, key, value, headers, timestamp."""
    digest = sha256()
    while start < end:
        part = FetchPartition(
            partition=place.partition, fetch_offset=start, partition_max_bytes=FETCH_BYTES
        )
        wanted = FetchTopic(topic=place.topic, partitions=[part])
        request = FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=FETCH_BYTES, topics=[wanted])
        (answer,) = (await connection.request(request, version=11)).responses[0].partitions
        assert answer.error_code == 0, f"Fetch {place} at {start}: {answer.error_code}"
        records = memoryview(answer.records)
        for at, header in headers_in(records):
            for each in records_in(records[at : at + header.size_bytes]):
                if each.offset >= start:
                    line = (each.offset, each.key, each.value, [*each.headers], each.timestamp)
                    digest.update(repr(line).encode())
            start = header.next_offset
    return digest.hexdigest()


async def send(connection: Connection, topic: str, partition: int, batch: bytes) -> tuple[int, int]:
    """Produce one batch as it is; returns (error code, base offset)."""
    data = PartitionProduceData(index=partition, records=batch)
    topics = [TopicProduceData(name=topic, partition_data=[data])]
    request = ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=topics)
    (part,) = (await connection.request(request)).responses[0].partition_responses
    return part.error_code, part.base_offset
