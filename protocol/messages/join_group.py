"""JoinGroup (key 11), v0–v9. Source: JoinGroupRequest.json,
JoinGroupResponse.json; KIP-345, KIP-394.

v1 rebalance_timeout_ms · v2 throttle_time_ms · v5 group_instance_id · v6 flexible
v7 protocol_type answered, null protocol_name allowed · v8 reason · v9 skip_assignment
v3 and v4 change no byte; from v4 on a new member is first told its id.
Only the leader receives `members`.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
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

JOIN_GROUP = APIS[11]


@struct
class JoinGroupRequestProtocol:
    name: str = wire(String)
    metadata: bytes = wire(Bytes)


@request(JOIN_GROUP)
class JoinGroupRequest:
    group_id: str = wire(String)
    session_timeout_ms: int = wire(Int32)
    rebalance_timeout_ms: int = wire(Int32, since=1, default=-1, ignorable=True)
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString, since=5, default=None)
    protocol_type: str = wire(String)
    protocols: list[JoinGroupRequestProtocol] = wire(ArrayOf(JoinGroupRequestProtocol))
    reason: str | None = wire(NullableString, since=8, default=None, ignorable=True)


@struct
class JoinGroupResponseMember:
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString, since=5, default=None)
    metadata: bytes = wire(Bytes)


@response(JOIN_GROUP)
class JoinGroupResponse:
    throttle_time_ms: int = wire(Int32, since=2, default=0)
    error_code: int = wire(Int16)
    generation_id: int = wire(Int32, default=-1)
    protocol_type: str | None = wire(NullableString, since=7, default=None)
    protocol_name: str | None = wire(String, nullable_since=7)
    leader: str = wire(String)
    skip_assignment: bool = wire(Bool, since=9, default=False)
    member_id: str = wire(String)
    members: list[JoinGroupResponseMember] = wire(ArrayOf(JoinGroupResponseMember), default=[])
