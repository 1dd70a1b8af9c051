"""AlterFaults (key 10004), v0–v0. An API of this broker, none of Apache Kafka.

Arms a fault rule in a broker that was started with faults, or releases one, or all. `form` is the
rule as JSON, {action: fields}; null releases `fault_id`, and -1 all of them. Ask for it only when
ApiVersions offers it.
"""

from ..apis import APIS
from ..codec.schema import Int16, Int32, Int64, NullableString, request, response, wire

ALTER_FAULTS = APIS[10_004]


@request(ALTER_FAULTS)
class AlterFaultsRequest:
    form: str | None = wire(NullableString, default=None)
    fault_id: int = wire(Int64, default=-1)


@response(ALTER_FAULTS)
class AlterFaultsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    fault_id: int = wire(Int64, default=-1)
