"""OffsetCommit (key 8), v2–v9. Source: OffsetCommitRequest.json,
OffsetCommitResponse.json; KIP-211.

v3 throttle_time_ms · v5 no retention_time_ms · v6 committed_leader_epoch
v7 group_instance_id · v8 flexible. v4 and v9 change no byte.
Generation -1 with member "" commits for nobody in particular.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int16,
    Int32,
    Int64,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

OFFSET_COMMIT = APIS[8]


@struct
class OffsetCommitRequestPartition:
    partition_index: int = wire(Int32)
    committed_offset: int = wire(Int64)
    committed_leader_epoch: int = wire(Int32, since=6, default=-1, ignorable=True)
    committed_metadata: str | None = wire(NullableString)


@struct
class OffsetCommitRequestTopic:
    name: str = wire(String)
    partitions: list[OffsetCommitRequestPartition] = wire(ArrayOf(OffsetCommitRequestPartition))


@request(OFFSET_COMMIT)
class OffsetCommitRequest:
    group_id: str = wire(String)
    generation_id_or_member_epoch: int = wire(Int32, default=-1)
    member_id: str = wire(String, default="")
    group_instance_id: str | None = wire(NullableString, since=7, default=None)
    retention_time_ms: int = wire(Int64, until=4, default=-1, ignorable=True)
    topics: list[OffsetCommitRequestTopic] = wire(ArrayOf(OffsetCommitRequestTopic))


@struct
class OffsetCommitResponsePartition:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)


@struct
class OffsetCommitResponseTopic:
    name: str = wire(String)
    partitions: list[OffsetCommitResponsePartition] = wire(ArrayOf(OffsetCommitResponsePartition))


@response(OFFSET_COMMIT)
class OffsetCommitResponse:
    throttle_time_ms: int = wire(Int32, since=3, default=0)
    topics: list[OffsetCommitResponseTopic] = wire(ArrayOf(OffsetCommitResponseTopic))
