"""CreateAcls (key 30), v1–v3. Source: CreateAclsRequest.json, CreateAclsResponse.json;
KIP-140, KIP-290.

v2 flexible · v3 user resources (KIP-373).
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

CREATE_ACLS = APIS[30]


@struct
class AclCreation:
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)
    resource_pattern_type: int = wire(Int8)
    principal: str = wire(String)
    host: str = wire(String)
    operation: int = wire(Int8)
    permission_type: int = wire(Int8)


@request(CREATE_ACLS)
class CreateAclsRequest:
    creations: list[AclCreation] = wire(ArrayOf(AclCreation))


@struct
class AclCreationResult:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)


@response(CREATE_ACLS)
class CreateAclsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    results: list[AclCreationResult] = wire(ArrayOf(AclCreationResult))
