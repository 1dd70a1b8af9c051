"""IncrementalAlterConfigs (key 44), v0–v1. Source: IncrementalAlterConfigsRequest.json,
IncrementalAlterConfigsResponse.json; KIP-339.

v1 flexible.
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

INCREMENTAL_ALTER_CONFIGS = APIS[44]


@struct
class AlterableConfig:
    name: str = wire(String)
    config_operation: int = wire(Int8)
    value: str | None = wire(NullableString)


@struct
class AlterConfigsResource:
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)
    configs: list[AlterableConfig] = wire(ArrayOf(AlterableConfig))


@request(INCREMENTAL_ALTER_CONFIGS)
class IncrementalAlterConfigsRequest:
    resources: list[AlterConfigsResource] = wire(ArrayOf(AlterConfigsResource))
    validate_only: bool = wire(Bool)


@struct
class AlterConfigsResourceResponse:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)


@response(INCREMENTAL_ALTER_CONFIGS)
class IncrementalAlterConfigsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    responses: list[AlterConfigsResourceResponse] = wire(ArrayOf(AlterConfigsResourceResponse))
