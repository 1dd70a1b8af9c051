"""AlterPartitionReassignments (key 45), v0–v1.
Source: AlterPartitionReassignmentsRequest.json,
AlterPartitionReassignmentsResponse.json; KIP-455, KIP-860.

v0 flexible · v1 the replication factor may have to stay. Null `replicas` cancels a reassignment.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int16,
    Int32,
    NullableArrayOf,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

ALTER_PARTITION_REASSIGNMENTS = APIS[45]


@struct
class ReassignablePartition:
    partition_index: int = wire(Int32)
    replicas: list[int] | None = wire(NullableArrayOf(Int32), default=None)


@struct
class ReassignableTopic:
    name: str = wire(String)
    partitions: list[ReassignablePartition] = wire(ArrayOf(ReassignablePartition))


@request(ALTER_PARTITION_REASSIGNMENTS)
class AlterPartitionReassignmentsRequest:
    timeout_ms: int = wire(Int32, default=60000)
    allow_replication_factor_change: bool = wire(Bool, since=1, default=True)
    topics: list[ReassignableTopic] = wire(ArrayOf(ReassignableTopic))


@struct
class ReassignablePartitionResponse:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)


@struct
class ReassignableTopicResponse:
    name: str = wire(String)
    partitions: list[ReassignablePartitionResponse] = wire(ArrayOf(ReassignablePartitionResponse))


@response(ALTER_PARTITION_REASSIGNMENTS)
class AlterPartitionReassignmentsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    allow_replication_factor_change: bool = wire(Bool, since=1, default=True)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    responses: list[ReassignableTopicResponse] = wire(ArrayOf(ReassignableTopicResponse))
