"""AlterConfigs (key 33), v0–v2. Source: AlterConfigsRequest.json, AlterConfigsResponse.json;
KIP-133.

v2 flexible. v1 changes no byte.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
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

ALTER_CONFIGS = APIS[33]


@struct
class AlterableConfig:
    name: str = wire(String)
    value: str | None = wire(NullableString)


@struct
class AlterConfigsResource:
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)
    configs: list[AlterableConfig] = wire(ArrayOf(AlterableConfig))


@request(ALTER_CONFIGS)
class AlterConfigsRequest:
    resources: list[AlterConfigsResource] = wire(ArrayOf(AlterConfigsResource))
    validate_only: bool = wire(Bool)


@struct
class AlterConfigsResourceResponse:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)


@response(ALTER_CONFIGS)
class AlterConfigsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    responses: list[AlterConfigsResourceResponse] = wire(ArrayOf(AlterConfigsResourceResponse))
