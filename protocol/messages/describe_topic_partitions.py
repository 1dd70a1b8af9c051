"""DescribeTopicPartitions (key 75), v0–v0.
Source: DescribeTopicPartitionsRequest.json,
DescribeTopicPartitionsResponse.json; KIP-966.

v0 flexible. A cursor tells where the next answer begins; null at the begin and at the end.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int16,
    Int32,
    NullableArrayOf,
    NullableString,
    NullableStruct,
    String,
    Uuid,
    request,
    response,
    struct,
    wire,
)

DESCRIBE_TOPIC_PARTITIONS = APIS[75]


@struct
class TopicRequest:
    name: str = wire(String)


@struct
class Cursor:
    topic_name: str = wire(String)
    partition_index: int = wire(Int32)


@request(DESCRIBE_TOPIC_PARTITIONS)
class DescribeTopicPartitionsRequest:
    topics: list[TopicRequest] = wire(ArrayOf(TopicRequest))
    response_partition_limit: int = wire(Int32, default=2000)
    cursor: Cursor | None = wire(NullableStruct(Cursor), default=None)


@struct
class DescribeTopicPartitionsResponsePartition:
    error_code: int = wire(Int16)
    partition_index: int = wire(Int32)
    leader_id: int = wire(Int32)
    leader_epoch: int = wire(Int32, default=-1)
    replica_nodes: list[int] = wire(ArrayOf(Int32))
    isr_nodes: list[int] = wire(ArrayOf(Int32))
    eligible_leader_replicas: list[int] | None = wire(NullableArrayOf(Int32), default=None)
    last_known_elr: list[int] | None = wire(NullableArrayOf(Int32), default=None)
    offline_replicas: list[int] = wire(ArrayOf(Int32))


@struct
class DescribeTopicPartitionsResponseTopic:
    error_code: int = wire(Int16)
    name: str | None = wire(NullableString)
    topic_id: bytes = wire(Uuid)
    is_internal: bool = wire(Bool, default=False)
    partitions: list[DescribeTopicPartitionsResponsePartition] = wire(
        ArrayOf(DescribeTopicPartitionsResponsePartition)
    )
    topic_authorized_operations: int = wire(Int32, default=-(2**31))


@response(DESCRIBE_TOPIC_PARTITIONS)
class DescribeTopicPartitionsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    topics: list[DescribeTopicPartitionsResponseTopic] = wire(
        ArrayOf(DescribeTopicPartitionsResponseTopic)
    )
    next_cursor: Cursor | None = wire(NullableStruct(Cursor), default=None)
