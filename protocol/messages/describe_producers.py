"""DescribeProducers (key 61), v0–v0. Source: DescribeProducersRequest.json,
DescribeProducersResponse.json; KIP-664.

v0 flexible.
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

DESCRIBE_PRODUCERS = APIS[61]


@struct
class DescribeProducersTopic:
    name: str = wire(String)
    partition_indexes: list[int] = wire(ArrayOf(Int32))


@request(DESCRIBE_PRODUCERS)
class DescribeProducersRequest:
    topics: list[DescribeProducersTopic] = wire(ArrayOf(DescribeProducersTopic))


@struct
class DescribeProducersState:
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int32)
    last_sequence: int = wire(Int32, default=-1)
    last_timestamp: int = wire(Int64, default=-1)
    coordinator_epoch: int = wire(Int32)
    current_txn_start_offset: int = wire(Int64, default=-1)


@struct
class DescribeProducersPartition:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    active_producers: list[DescribeProducersState] = wire(ArrayOf(DescribeProducersState))


@struct
class DescribeProducersTopicResult:
    name: str = wire(String)
    partitions: list[DescribeProducersPartition] = wire(ArrayOf(DescribeProducersPartition))


@response(DESCRIBE_PRODUCERS)
class DescribeProducersResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    topics: list[DescribeProducersTopicResult] = wire(ArrayOf(DescribeProducersTopicResult))
