"""DescribeLogDirs (key 35), v1-v4. Source: DescribeLogDirsRequest.json, ...Response.json; KIP-113.

v2 flexible · v3 error_code of the whole · v4 bytes of the volume (KIP-827)
Ours: one directory, or "memory", whose volume has no size (-1). The size of a partition is that of
    its batches; nothing lags, and no replica moves. Unknown topics are left out, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..transactions.offsets_partition import OFFSETS_TOPIC
from ..waiting.long_work import Steps

PARTITIONS_A_STEP = 300

ACCESS = (Cluster(AclOperation.DESCRIBE),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Describe the data directory."""
    message: DescribeLogDirsRequest = request.message
    total_bytes, usable_bytes = broker.world.storage.space()
    topics, left = [], PARTITIONS_A_STEP
    for name, indexes in _wanted(broker, message).items():
        partitions: list[DescribeLogDirsPartition] = []
        topics.append(DescribeLogDirsTopic(name=name, partitions=partitions))
        for index in sorted(indexes):
            partitions.append(_size(broker, name, index))
            left -= 1
            if not left:
                left = PARTITIONS_A_STEP
                yield None
    directory = DescribeLogDirsResult(
        error_code=0,
        log_dir=log_dir(broker),
        topics=topics,
        total_bytes=total_bytes,
        usable_bytes=usable_bytes,
    )
    return DescribeLogDirsResponse(error_code=0, results=[directory])


def log_dir(broker: Broker) -> str:
    """The one directory as clients know it."""
    return "".join(broker.config.log_dirs) or "memory"


def refusal(message: DescribeLogDirsRequest, code: ErrorCode, why: str) -> DescribeLogDirsResponse:
    """The response that describes nothing."""
    return DescribeLogDirsResponse(error_code=code, results=[])


def _wanted(broker: Broker, message: DescribeLogDirsRequest) -> Mapping[str, Collection[int]]:
    """Those partitions asked for that there are, by topic; null asks for all."""
    if message.topics is None:
        return {topic.name: range(topic.partition_count) for topic in broker.seen.topics()}
    wanted: dict[str, set[int]] = {}
    for each in message.topics:
        topic = broker.seen.topic(each.topic)
        count = 0 if topic is None else topic.partition_count
        known = [index for index in each.partitions if 0 <= index < count]
        if known:
            wanted.setdefault(each.topic, set()).update(known)
    return wanted


def _size(broker: Broker, topic: str, index: int) -> DescribeLogDirsPartition:
    partition = broker.partitions.get((topic, index))  # not opened: it has no files
    if topic == OFFSETS_TOPIC:
        partition = broker.seen.of_groups
    return DescribeLogDirsPartition(
        partition_index=index,
        partition_size=0 if partition is None else partition.log.size_bytes,
        offset_lag=0,
        is_future_key=False,
    )
