"""DescribeAcls (key 29), v1–v3. Source: DescribeAclsRequest.json, DescribeAclsResponse.json;
KIP-140, KIP-290.

v2 flexible · v3 user resources (KIP-373). A null filter matches anything.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int8,
    Int16,
    Int32,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

DESCRIBE_ACLS = APIS[29]


@request(DESCRIBE_ACLS)
class DescribeAclsRequest:
    resource_type_filter: int = wire(Int8)
    resource_name_filter: str | None = wire(NullableString)
    pattern_type_filter: int = wire(Int8)
    principal_filter: str | None = wire(NullableString)
    host_filter: str | None = wire(NullableString)
    operation: int = wire(Int8)
    permission_type: int = wire(Int8)


@struct
class AclDescription:
    principal: str = wire(String)
    host: str = wire(String)
    operation: int = wire(Int8)
    permission_type: int = wire(Int8)


@struct
class DescribeAclsResource:
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)
    pattern_type: int = wire(Int8)
    acls: list[AclDescription] = wire(ArrayOf(AclDescription))


@response(DESCRIBE_ACLS)
class DescribeAclsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    resources: list[DescribeAclsResource] = wire(ArrayOf(DescribeAclsResource))
