"""ExplainProduce (key 10000), v0–v2. An API of this broker, none of Apache Kafka.

v1 what became of a batch's transaction: "pending", "committed" or "aborted"; "" for none.
v2 topic null asks for all topics, each verdict names its own; count_max bounds how many are told.
Ask for it only when ApiVersions offers it. Keys far above Kafka's own are free to use: clients
look up the keys they know and skip the rest.
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

EXPLAIN_PRODUCE = APIS[10_000]


@request(EXPLAIN_PRODUCE)
class ExplainProduceRequest:
    topic: str | None = wire(String, nullable_since=2)
    partition: int = wire(Int32, default=-1)
    after_number: int = wire(Int64, default=-1)
    count_max: int = wire(Int32, since=2, default=-1)


@struct
class WindowBatch:
    first_sequence: int = wire(Int32)
    last_sequence: int = wire(Int32)
    base_offset: int = wire(Int64)


@struct
class ProduceVerdict:
    number: int = wire(Int64)
    received_at_ms: int = wire(Int64)
    partition: int = wire(Int32)
    client_id: str = wire(String)
    producer_id: int = wire(Int64, default=-1)
    producer_epoch: int = wire(Int16, default=-1)
    first_sequence: int = wire(Int32, default=-1)
    records_count: int = wire(Int32, default=0)
    expected_sequence: int = wire(Int32, default=-1)
    window: list[WindowBatch] = wire(ArrayOf(WindowBatch))
    verdict: str = wire(String)
    error_code: int = wire(Int16, default=0)
    base_offset: int = wire(Int64, default=-1)
    reason: str = wire(String)
    transaction: str = wire(String, since=1, default="")
    topic: str = wire(String, since=2, default="")


@response(EXPLAIN_PRODUCE)
class ExplainProduceResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    verdicts: list[ProduceVerdict] = wire(ArrayOf(ProduceVerdict))
