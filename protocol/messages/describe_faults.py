"""DescribeFaults (key 10003), v0–v0. An API of this broker, none of Apache Kafka.

The fault rules that are armed in a broker which was started with faults, or one of them; `form`
is the rule as JSON, {action: fields}. Ask for it only when ApiVersions offers it.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int16,
    Int32,
    Int64,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

DESCRIBE_FAULTS = APIS[10_003]


@request(DESCRIBE_FAULTS)
class DescribeFaultsRequest:
    fault_id: int = wire(Int64, default=-1)


@struct
class ArmedFault:
    fault_id: int = wire(Int64)
    form: str = wire(String)
    matched: int = wire(Int64, default=0)
    fired: int = wire(Int64, default=0)
    held: int = wire(Int32, default=0)


@response(DESCRIBE_FAULTS)
class DescribeFaultsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    has_faults: bool = wire(Bool, default=False)
    faults: list[ArmedFault] = wire(ArrayOf(ArmedFault))
