"""AlterClientQuotas (key 49), v0–v1. Source: AlterClientQuotasRequest.json,
AlterClientQuotasResponse.json; KIP-546, KIP-612.

v1 flexible. A null name is the default of its type.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Float64,
    Int16,
    Int32,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

ALTER_CLIENT_QUOTAS = APIS[49]


@struct
class EntityData:
    entity_type: str = wire(String)
    entity_name: str | None = wire(NullableString)


@struct
class OpData:
    key: str = wire(String)
    value: float = wire(Float64)
    remove: bool = wire(Bool)


@struct
class EntryData:
    entity: list[EntityData] = wire(ArrayOf(EntityData))
    ops: list[OpData] = wire(ArrayOf(OpData))


@request(ALTER_CLIENT_QUOTAS)
class AlterClientQuotasRequest:
    entries: list[EntryData] = wire(ArrayOf(EntryData))
    validate_only: bool = wire(Bool)


@struct
class EntryResult:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    entity: list[EntityData] = wire(ArrayOf(EntityData))


@response(ALTER_CLIENT_QUOTAS)
class AlterClientQuotasResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    entries: list[EntryResult] = wire(ArrayOf(EntryResult))
