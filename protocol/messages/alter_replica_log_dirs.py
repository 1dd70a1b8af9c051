"""AlterReplicaLogDirs (key 34), v1–v2.
Source: AlterReplicaLogDirsRequest.json,
AlterReplicaLogDirsResponse.json; KIP-113.

v2 flexible.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int16, Int32, String, request, response, struct, wire

ALTER_REPLICA_LOG_DIRS = APIS[34]


@struct
class AlterReplicaLogDirTopic:
    name: str = wire(String)
    partitions: list[int] = wire(ArrayOf(Int32))


@struct
class AlterReplicaLogDir:
    path: str = wire(String)
    topics: list[AlterReplicaLogDirTopic] = wire(ArrayOf(AlterReplicaLogDirTopic))


@request(ALTER_REPLICA_LOG_DIRS)
class AlterReplicaLogDirsRequest:
    dirs: list[AlterReplicaLogDir] = wire(ArrayOf(AlterReplicaLogDir))


@struct
class AlterReplicaLogDirPartitionResult:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)


@struct
class AlterReplicaLogDirTopicResult:
    topic_name: str = wire(String)
    partitions: list[AlterReplicaLogDirPartitionResult] = wire(
        ArrayOf(AlterReplicaLogDirPartitionResult)
    )


@response(ALTER_REPLICA_LOG_DIRS)
class AlterReplicaLogDirsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    results: list[AlterReplicaLogDirTopicResult] = wire(ArrayOf(AlterReplicaLogDirTopicResult))
