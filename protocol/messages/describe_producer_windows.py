"""DescribeProducerWindows (key 10001), v0–v0. An API of this broker, none of Apache Kafka.

What a partition remembers of each producer id: its newest batches, by which it knows a retry again,
and what a retry of each would get if it came now. Ask for it only when ApiVersions offers it.
topic null asks for all topics, partition -1 for all partitions.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
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

DESCRIBE_PRODUCER_WINDOWS = APIS[10_001]


@request(DESCRIBE_PRODUCER_WINDOWS)
class DescribeProducerWindowsRequest:
    topic: str | None = wire(NullableString, default=None)
    partition: int = wire(Int32, default=-1)
    producer_id: int = wire(Int64, default=-1)
    count_max: int = wire(Int32, default=100)


@struct
class RememberedBatch:
    first_sequence: int = wire(Int32)
    last_sequence: int = wire(Int32)
    base_offset: int = wire(Int64)
    max_timestamp: int = wire(Int64)
    retry_verdict: str = wire(String)
    retry_error_code: int = wire(Int16, default=0)
    retry_offset: int = wire(Int64, default=-1)


@struct
class ProducerWindow:
    topic: str = wire(String)
    partition: int = wire(Int32)
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int16)
    idle_ms: int = wire(Int64)
    next_sequence: int = wire(Int32, default=-1)
    coordinator_epoch: int = wire(Int32, default=-1)
    transaction_start_offset: int = wire(Int64, default=-1)
    batches: list[RememberedBatch] = wire(ArrayOf(RememberedBatch))


@response(DESCRIBE_PRODUCER_WINDOWS)
class DescribeProducerWindowsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    total_count: int = wire(Int32, default=0)
    producers: list[ProducerWindow] = wire(ArrayOf(ProducerWindow))
