"""DescribeConfigs (key 32), v1–v4. Source: DescribeConfigsRequest.json,
DescribeConfigsResponse.json; KIP-226, KIP-569.

v1 synonyms · v3 documentation, config_type · v4 flexible. v2 changes no byte.
Null `configuration_keys` asks for all.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int8,
    Int16,
    Int32,
    NullableArrayOf,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

DESCRIBE_CONFIGS = APIS[32]


@struct
class DescribeConfigsResource:
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)
    configuration_keys: list[str] | None = wire(NullableArrayOf(String), default=None)


@request(DESCRIBE_CONFIGS)
class DescribeConfigsRequest:
    resources: list[DescribeConfigsResource] = wire(ArrayOf(DescribeConfigsResource))
    include_synonyms: bool = wire(Bool, default=False)
    include_documentation: bool = wire(Bool, since=3, default=False)


@struct
class DescribeConfigsSynonym:
    name: str = wire(String)
    value: str | None = wire(NullableString)
    source: int = wire(Int8)


@struct
class DescribeConfigsResourceResult:
    name: str = wire(String)
    value: str | None = wire(NullableString)
    read_only: bool = wire(Bool)
    config_source: int = wire(Int8, default=-1)
    is_sensitive: bool = wire(Bool)
    synonyms: list[DescribeConfigsSynonym] = wire(ArrayOf(DescribeConfigsSynonym), default=[])
    config_type: int = wire(Int8, since=3, default=0)
    documentation: str | None = wire(NullableString, since=3, default=None)


@struct
class DescribeConfigsResult:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    resource_type: int = wire(Int8)
    resource_name: str = wire(String)
    configs: list[DescribeConfigsResourceResult] = wire(ArrayOf(DescribeConfigsResourceResult))


@response(DESCRIBE_CONFIGS)
class DescribeConfigsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    results: list[DescribeConfigsResult] = wire(ArrayOf(DescribeConfigsResult))
