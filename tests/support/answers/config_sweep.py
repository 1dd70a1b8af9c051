"""Every property a topic or a broker has, with many values: who takes what.

The values are tried on all properties alike, so that nobody chose them for one; a few properties
have bounds of their own, which are added. Answers are error codes, 0 where a value is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

VALUES = (
    *("", " ", "0", "1", "-1", "-2", "+1", " 5 ", "1_000", "1e3", "1.5", "0x10", "NaN"),
    *("Infinity", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775808", "100000000", "true", "TRUE", "yes", "word", ",", "a,b"),
    *("delete", "compact", "compact,delete", "delete, compact", "delete,delete", "Delete"),
    *("producer", "uncompressed", "none", "gzip", "GZIP", "snappy", "lz4", "zstd"),
    *("CreateTime", "LogAppendTime", "0.5", "1.0", "1.01", "-0.1", "*", "1:2"),
)
NEAR_BOUNDS: Mapping[str, tuple[str, ...]] = {
    "compression.gzip.level": ("9", "10"),
    "compression.lz4.level": ("17", "18"),
    "compression.zstd.level": ("22", "23", "-131072", "-131073"),
    "segment.bytes": ("1048575", "1048576"),
    "log.segment.bytes": ("1048575", "1048576"),
    "segment.index.bytes": ("3", "4"),
    "log.index.size.max.bytes": ("3", "4"),
    "fetch.max.bytes": ("1023", "1024"),
}
REQUEST_TOPICS = 200
TOPIC, BROKER = 2, 4
SET = 0


def cases(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(property, value) for each."""
    for name in names:
        for value in (*VALUES, *NEAR_BOUNDS.get(name, ())):
            yield name, value


async def topics_answer(
    connection: Connection, pairs: list[tuple[str, str]], prefix: str
) -> dict[tuple[str, str], int]:
    """What creating a topic with each one setting is answered; nothing is created."""
    answers: dict[tuple[str, str], int] = {}
    for start in range(0, len(pairs), REQUEST_TOPICS):
        asked = dict(enumerate(pairs[start : start + REQUEST_TOPICS]))
        topics = [
            CreatableTopic(
                name=f"{prefix}-{number}",
                num_partitions=1,
                replication_factor=1,
                assignments=[],
                configs=[CreatableTopicConfig(name=name, value=value)],
            )
            for number, (name, value) in asked.items()
        ]
        request = CreateTopicsRequest(topics=topics, validate_only=True)
        for topic in (await connection.request(request)).topics:
            answers[asked[int(topic.name.rpartition("-")[2])]] = topic.error_code
    return answers


async def alterations_answer(
    connection: Connection, kind: int, resource: str, pairs: list[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """What IncrementalAlterConfigs is answered to each one setting; nothing is changed."""
    answers = {}
    for name, value in pairs:
        change = AlterableConfig(name=name, config_operation=SET, value=value)
        one = AlterConfigsResource(resource_type=kind, resource_name=resource, configs=[change])
        request = IncrementalAlterConfigsRequest(resources=[one], validate_only=True)
        (response,) = (await connection.request(request)).responses
        answers[name, value] = response.error_code
    return answers
