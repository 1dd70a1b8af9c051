"""DescribeBroker (key 10002), v0–v0. An API of this broker, none of Apache Kafka.

How a broker is: what it promises, what it has done since its start, what waits. Counts rise from
the start on: who wants a rate asks twice. -1 stands for what is not measured. Ask for it only when
ApiVersions offers it.
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

DESCRIBE_BROKER = APIS[10_002]


@request(DESCRIBE_BROKER)
class DescribeBrokerRequest:
    include_volume: bool = wire(Bool, default=True)


@struct
class TimeBucket:
    upper_us: int = wire(Int64)
    count: int = wire(Int64)


@response(DESCRIBE_BROKER)
class DescribeBrokerResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    software_version: str = wire(String, default="")
    durability: str = wire(String, default="")
    start_count: int = wire(Int32, default=-1)
    monotonic_ms: int = wire(Int64, default=-1)
    started_ms: int = wire(Int64, default=-1)
    records_in: int = wire(Int64, default=-1)
    bytes_in: int = wire(Int64, default=-1)
    bytes_out: int = wire(Int64, default=-1)
    produce_count: int = wire(Int64, default=-1)
    fetch_count: int = wire(Int64, default=-1)
    duplicate_count: int = wire(Int64, default=-1)
    refused_count: int = wire(Int64, default=-1)
    flush_times: list[TimeBucket] = wire(ArrayOf(TimeBucket), default=[])
    loop_lags: list[TimeBucket] = wire(ArrayOf(TimeBucket), default=[])
    waiting_for_flush: int = wire(Int32, default=-1)
    waiting_fetches: int = wire(Int32, default=-1)
    open_partitions: int = wire(Int32, default=-1)
    volume_total_bytes: int = wire(Int64, default=-1)
    volume_usable_bytes: int = wire(Int64, default=-1)
    warnings: list[str] = wire(ArrayOf(String), default=[])
