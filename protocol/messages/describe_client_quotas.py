"""DescribeClientQuotas (key 48), v0–v1. Source: DescribeClientQuotasRequest.json,
DescribeClientQuotasResponse.json; KIP-546, KIP-612.

v1 flexible. Match types: 0 that name, 1 the default, 2 any.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Float64,
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

DESCRIBE_CLIENT_QUOTAS = APIS[48]


@struct
class ComponentData:
    entity_type: str = wire(String)
    match_type: int = wire(Int8)
    match: str | None = wire(NullableString)


@request(DESCRIBE_CLIENT_QUOTAS)
class DescribeClientQuotasRequest:
    components: list[ComponentData] = wire(ArrayOf(ComponentData))
    strict: bool = wire(Bool)


@struct
class EntityData:
    entity_type: str = wire(String)
    entity_name: str | None = wire(NullableString)


@struct
class ValueData:
    key: str = wire(String)
    value: float = wire(Float64)


@struct
class EntryData:
    entity: list[EntityData] = wire(ArrayOf(EntityData))
    values: list[ValueData] = wire(ArrayOf(ValueData))


@response(DESCRIBE_CLIENT_QUOTAS)
class DescribeClientQuotasResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    entries: list[EntryData] | None = wire(NullableArrayOf(EntryData))
