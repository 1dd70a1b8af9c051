"""OffsetDelete (key 47), v0–v0. Source: OffsetDeleteRequest.json,
OffsetDeleteResponse.json; KIP-496.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int16, Int32, String, request, response, struct, wire

OFFSET_DELETE = APIS[47]


@struct
class OffsetDeleteRequestPartition:
    partition_index: int = wire(Int32)


@struct
class OffsetDeleteRequestTopic:
    name: str = wire(String)
    partitions: list[OffsetDeleteRequestPartition] = wire(ArrayOf(OffsetDeleteRequestPartition))


@request(OFFSET_DELETE)
class OffsetDeleteRequest:
    group_id: str = wire(String)
    topics: list[OffsetDeleteRequestTopic] = wire(ArrayOf(OffsetDeleteRequestTopic))


@struct
class OffsetDeleteResponsePartition:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)


@struct
class OffsetDeleteResponseTopic:
    name: str = wire(String)
    partitions: list[OffsetDeleteResponsePartition] = wire(ArrayOf(OffsetDeleteResponsePartition))


@response(OFFSET_DELETE)
class OffsetDeleteResponse:
    error_code: int = wire(Int16)
    throttle_time_ms: int = wire(Int32, default=0)
    topics: list[OffsetDeleteResponseTopic] = wire(ArrayOf(OffsetDeleteResponseTopic), default=[])
