"""DescribeGroups (key 15), v0–v5. Source: DescribeGroupsRequest.json, DescribeGroupsResponse.json.

v1 throttle_time_ms · v3 authorized operations · v4 group_instance_id · v5 flexible
v2 changes no byte. A group that is not there is described as "Dead", without an error.
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

DESCRIBE_GROUPS = APIS[15]
OPERATIONS_NOT_ASKED = -(2**31)


@request(DESCRIBE_GROUPS)
class DescribeGroupsRequest:
    groups: list[str] = wire(ArrayOf(String))
    include_authorized_operations: bool = wire(Bool, since=3, default=False)


@struct
class DescribedGroupMember:
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString, since=4, default=None)
    client_id: str = wire(String)
    client_host: str = wire(String)
    member_metadata: bytes = wire(Bytes)
    member_assignment: bytes = wire(Bytes)


@struct
class DescribedGroup:
    error_code: int = wire(Int16)
    group_id: str = wire(String)
    group_state: str = wire(String)
    protocol_type: str = wire(String)
    protocol_data: str = wire(String)
    members: list[DescribedGroupMember] = wire(ArrayOf(DescribedGroupMember))
    authorized_operations: int = wire(Int32, since=3, default=OPERATIONS_NOT_ASKED)


@response(DESCRIBE_GROUPS)
class DescribeGroupsResponse:
    throttle_time_ms: int = wire(Int32, since=1, default=0)
    groups: list[DescribedGroup] = wire(ArrayOf(DescribedGroup))
