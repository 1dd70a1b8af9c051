"""AlterReplicaLogDirs (key 34), v1-v2. Source: AlterReplicaLogDirsRequest.json, KIP-113.

v2 flexible
Ours: there is one directory, so a replica is where it is wanted, or 57 LOG_DIR_NOT_FOUND. A broker
    without a disk has the one that DescribeLogDirs names, "memory".
"""

from __future__ import annotations

from ...protocol.acls import AclOperation
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from ..broker import Broker
from ..security.rights.access import Cluster
from ..session import Session
from ..waiting.long_work import Steps, finished
from .describe_log_dirs import log_dir

ACCESS = (Cluster(AclOperation.ALTER),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Nothing moves; of a partition listed under two directories the last counts."""
    message: AlterReplicaLogDirsRequest = request.message
    here = log_dir(broker)

    def code(path: str, topic: str, index: int) -> ErrorCode:
        if path != here:
            return ErrorCode.LOG_DIR_NOT_FOUND
        known = broker.state.topics.get(topic)
        if known is None or not 0 <= index < known.partition_count:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return ErrorCode.NONE

    codes: dict[tuple[str, int], ErrorCode] = {}
    for each in message.dirs:
        for topic in each.topics:
            for index in topic.partitions:
                codes[topic.name, index] = code(each.path, topic.name, index)
                yield None
            yield None
        yield None
    return (yield from _response(codes))


def refusal(
    message: AlterReplicaLogDirsRequest, code: ErrorCode, why: str
) -> AlterReplicaLogDirsResponse:
    """The response that moves nothing."""
    codes = {
        (topic.name, index): code
        for each in message.dirs
        for topic in each.topics
        for index in topic.partitions
    }
    response: AlterReplicaLogDirsResponse = finished(_response(codes))
    return response


def _response(codes: dict[tuple[str, int], ErrorCode]) -> Steps:
    by_topic: dict[str, list[AlterReplicaLogDirPartitionResult]] = {}
    for (topic, index), code in codes.items():
        result = AlterReplicaLogDirPartitionResult(partition_index=index, error_code=code)
        by_topic.setdefault(topic, []).append(result)
        yield None
    results = []
    for topic, partitions in by_topic.items():
        results.append(AlterReplicaLogDirTopicResult(topic_name=topic, partitions=partitions))
        yield None
    return AlterReplicaLogDirsResponse(results=results)
