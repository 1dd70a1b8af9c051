"""OffsetFetch (key 9), v1–v9. Source: OffsetFetchRequest.json, OffsetFetchResponse.json; KIP-709.

v2 null topics for all, error_code · v3 throttle_time_ms · v5 committed_leader_epoch · v6 flexible
v7 require_stable · v8 several groups at once · v9 member_id, member_epoch. v4 changes no byte.
Up to v7 the one group is in the message itself, from v8 on only in `groups`.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int16,
    Int32,
    Int64,
    NullableArrayOf,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

OFFSET_FETCH = APIS[9]


@struct
class OffsetFetchRequestTopic:
    name: str = wire(String)
    partition_indexes: list[int] = wire(ArrayOf(Int32))


@struct
class OffsetFetchRequestGroup:
    group_id: str = wire(String)
    member_id: str | None = wire(NullableString, since=9, default=None, ignorable=True)
    member_epoch: int = wire(Int32, since=9, default=-1, ignorable=True)
    topics: list[OffsetFetchRequestTopic] | None = wire(NullableArrayOf(OffsetFetchRequestTopic))


@request(OFFSET_FETCH)
class OffsetFetchRequest:
    group_id: str = wire(String, until=7, default="")
    topics: list[OffsetFetchRequestTopic] | None = wire(
        ArrayOf(OffsetFetchRequestTopic), until=7, nullable_since=2, default=None
    )
    groups: list[OffsetFetchRequestGroup] = wire(
        ArrayOf(OffsetFetchRequestGroup), since=8, default=[]
    )
    require_stable: bool = wire(Bool, since=7, default=False)


@struct
class OffsetFetchResponsePartition:
    partition_index: int = wire(Int32)
    committed_offset: int = wire(Int64)
    committed_leader_epoch: int = wire(Int32, since=5, default=-1)
    metadata: str | None = wire(NullableString)
    error_code: int = wire(Int16)


@struct
class OffsetFetchResponseTopic:
    name: str = wire(String)
    partitions: list[OffsetFetchResponsePartition] = wire(ArrayOf(OffsetFetchResponsePartition))


@struct
class OffsetFetchResponseGroup:
    group_id: str = wire(String)
    topics: list[OffsetFetchResponseTopic] = wire(ArrayOf(OffsetFetchResponseTopic))
    error_code: int = wire(Int16, default=0)


@response(OFFSET_FETCH)
class OffsetFetchResponse:
    throttle_time_ms: int = wire(Int32, since=3, default=0)
    topics: list[OffsetFetchResponseTopic] = wire(
        ArrayOf(OffsetFetchResponseTopic), until=7, default=[]
    )
    error_code: int = wire(Int16, since=2, until=7, default=0)
    groups: list[OffsetFetchResponseGroup] = wire(
        ArrayOf(OffsetFetchResponseGroup), since=8, default=[]
    )
