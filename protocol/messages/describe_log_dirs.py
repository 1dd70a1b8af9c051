"""DescribeLogDirs (key 35), v1–v4. Source: DescribeLogDirsRequest.json,
DescribeLogDirsResponse.json; KIP-113, KIP-827.

v2 flexible · v3 error_code of the whole · v4 bytes of the volume. Null `topics` asks for all.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int16,
    Int32,
    Int64,
    NullableArrayOf,
    String,
    request,
    response,
    struct,
    wire,
)

DESCRIBE_LOG_DIRS = APIS[35]


@struct
class DescribableLogDirTopic:
    topic: str = wire(String)
    partitions: list[int] = wire(ArrayOf(Int32))


@request(DESCRIBE_LOG_DIRS)
class DescribeLogDirsRequest:
    topics: list[DescribableLogDirTopic] | None = wire(NullableArrayOf(DescribableLogDirTopic))


@struct
class DescribeLogDirsPartition:
    partition_index: int = wire(Int32)
    partition_size: int = wire(Int64)
    offset_lag: int = wire(Int64)
    is_future_key: bool = wire(Bool)


@struct
class DescribeLogDirsTopic:
    name: str = wire(String)
    partitions: list[DescribeLogDirsPartition] = wire(ArrayOf(DescribeLogDirsPartition))


@struct
class DescribeLogDirsResult:
    error_code: int = wire(Int16)
    log_dir: str = wire(String)
    topics: list[DescribeLogDirsTopic] = wire(ArrayOf(DescribeLogDirsTopic))
    total_bytes: int = wire(Int64, since=4, default=-1)
    usable_bytes: int = wire(Int64, since=4, default=-1)


@response(DESCRIBE_LOG_DIRS)
class DescribeLogDirsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16, since=3, default=0)
    results: list[DescribeLogDirsResult] = wire(ArrayOf(DescribeLogDirsResult))
