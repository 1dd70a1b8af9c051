"""ListOffsets (key 2), v1–v9. Source: ListOffsetsRequest.json, ListOffsetsResponse.json; KIP-207,
KIP-734, KIP-405, KIP-1005.

v2 isolation_level, throttle_time_ms · v4 leader epochs · v6 flexible · v7 the latest timestamp (-3)
v8 earliest local (-4) · v9 latest tiered (-5). v3, v5, v7, v8 and v9 change no byte.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    request,
    response,
    struct,
    wire,
)

LIST_OFFSETS = APIS[2]


@struct
class ListOffsetsPartition:
    partition_index: int = wire(Int32)
    current_leader_epoch: int = wire(Int32, since=4, default=-1, ignorable=True)
    timestamp: int = wire(Int64)


@struct
class ListOffsetsTopic:
    name: str = wire(String)
    partitions: list[ListOffsetsPartition] = wire(ArrayOf(ListOffsetsPartition))


@request(LIST_OFFSETS)
class ListOffsetsRequest:
    replica_id: int = wire(Int32, default=-1)
    isolation_level: int = wire(Int8, since=2, default=0)
    topics: list[ListOffsetsTopic] = wire(ArrayOf(ListOffsetsTopic))


@struct
class ListOffsetsPartitionResponse:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)
    timestamp: int = wire(Int64, default=-1)
    offset: int = wire(Int64, default=-1)
    leader_epoch: int = wire(Int32, since=4, default=-1)


@struct
class ListOffsetsTopicResponse:
    name: str = wire(String)
    partitions: list[ListOffsetsPartitionResponse] = wire(ArrayOf(ListOffsetsPartitionResponse))


@response(LIST_OFFSETS)
class ListOffsetsResponse:
    throttle_time_ms: int = wire(Int32, since=2, default=0)
    topics: list[ListOffsetsTopicResponse] = wire(ArrayOf(ListOffsetsTopicResponse))
