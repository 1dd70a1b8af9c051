"""DeleteAcls (key 31), v1–v3. Source: DeleteAclsRequest.json, DeleteAclsResponse.json;
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

DELETE_ACLS = APIS[31]


@struct
class DeleteAclsFilter:
    resource_type_filter: int = wire(Int8)
    resource_name_filter: str | None = wire(NullableString)
    pattern_type_filter: int = wire(Int8)
    principal_filter: str | None = wire(NullableString)
    host_filter: str | None = wire(NullableString)
    operation: int = wire(Int8)
    permission_type: int = wire(Int8)


@request(DELETE_ACLS)
class DeleteAclsRequest:
    filters: list[DeleteAclsFilter] = wire(ArrayOf(DeleteAclsFilter))


@struct
class DeleteAclsMatchingAcl:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)
    pattern_type: int = wire(Int8)
    principal: str = wire(String)
    host: str = wire(String)
    operation: int = wire(Int8)
    permission_type: int = wire(Int8)


@struct
class DeleteAclsFilterResult:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    matching_acls: list[DeleteAclsMatchingAcl] = wire(ArrayOf(DeleteAclsMatchingAcl))


@response(DELETE_ACLS)
class DeleteAclsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    filter_results: list[DeleteAclsFilterResult] = wire(ArrayOf(DeleteAclsFilterResult))
