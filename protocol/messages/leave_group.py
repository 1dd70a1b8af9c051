"""LeaveGroup (key 13), v0–v5. Source: LeaveGroupRequest.json, LeaveGroupResponse.json; KIP-345.

v1 throttle_time_ms · v3 several members, each with its own answer · v4 flexible · v5 reason
v2 changes no byte. Up to v2 the one member's error is the error of the response.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int16,
    Int32,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

LEAVE_GROUP = APIS[13]


@struct
class MemberIdentity:
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString, default=None)
    reason: str | None = wire(NullableString, since=5, default=None, ignorable=True)


@request(LEAVE_GROUP)
class LeaveGroupRequest:
    group_id: str = wire(String)
    member_id: str = wire(String, until=2, default="")
    members: list[MemberIdentity] = wire(ArrayOf(MemberIdentity), since=3, default=[])


@struct
class MemberResponse:
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString)
    error_code: int = wire(Int16)


@response(LEAVE_GROUP)
class LeaveGroupResponse:
    throttle_time_ms: int = wire(Int32, since=1, default=0)
    error_code: int = wire(Int16)
    members: list[MemberResponse] = wire(ArrayOf(MemberResponse), since=3, default=[])
