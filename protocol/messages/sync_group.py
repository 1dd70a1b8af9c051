"""SyncGroup (key 14), v0–v5. Source: SyncGroupRequest.json, SyncGroupResponse.json; KIP-559.

v1 throttle_time_ms · v3 group_instance_id · v4 flexible · v5 protocol_type, protocol_name
v2 changes no byte. Only the leader sends `assignments`.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bytes,
    Int16,
    Int32,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

SYNC_GROUP = APIS[14]


@struct
class SyncGroupRequestAssignment:
    member_id: str = wire(String)
    assignment: bytes = wire(Bytes)


@request(SYNC_GROUP)
class SyncGroupRequest:
    group_id: str = wire(String)
    generation_id: int = wire(Int32)
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString, since=3, default=None)
    protocol_type: str | None = wire(NullableString, since=5, default=None, ignorable=True)
    protocol_name: str | None = wire(NullableString, since=5, default=None, ignorable=True)
    assignments: list[SyncGroupRequestAssignment] = wire(ArrayOf(SyncGroupRequestAssignment))


@response(SYNC_GROUP)
class SyncGroupResponse:
    throttle_time_ms: int = wire(Int32, since=1, default=0)
    error_code: int = wire(Int16)
    protocol_type: str | None = wire(NullableString, since=5, default=None)
    protocol_name: str | None = wire(NullableString, since=5, default=None)
    assignment: bytes = wire(Bytes)
