"""Produce (key 0), v3–v13. Source: ProduceRequest.json, ProduceResponse.json; KIP-98, KIP-951.

v3 transactional_id · v5 log_start_offset · v7 zstd allowed · v8 per-record errors · v9 flexible
v10 current_leader, node_endpoints · v11 TRANSACTION_ABORTABLE allowed · v12 partitions are added to
the transaction by what is written to them (KIP-890) · v13 topic_id instead of name (KIP-516)
v4, v6, v7, v11 and v12 change no byte.
"""

from ..apis import APIS
from ..codec.schema import (
    ZERO_UUID,
    ArrayOf,
    Int16,
    Int32,
    Int64,
    NullableString,
    Records,
    String,
    Uuid,
    request,
    response,
    struct,
    wire,
)

PRODUCE = APIS[0]


@struct
class PartitionProduceData:
    index: int = wire(Int32)
    records: bytes | memoryview | None = wire(Records)


@struct
class TopicProduceData:
    name: str = wire(String, until=12, default="")
    topic_id: bytes = wire(Uuid, since=13, default=ZERO_UUID, ignorable=True)
    partition_data: list[PartitionProduceData] = wire(ArrayOf(PartitionProduceData))


@request(PRODUCE)
class ProduceRequest:
    transactional_id: str | None = wire(NullableString, default=None)
    acks: int = wire(Int16)
    timeout_ms: int = wire(Int32)
    topic_data: list[TopicProduceData] = wire(ArrayOf(TopicProduceData))


@struct
class BatchIndexAndErrorMessage:
    batch_index: int = wire(Int32)
    batch_index_error_message: str | None = wire(NullableString, default=None)


@struct
class LeaderIdAndEpoch:
    leader_id: int = wire(Int32, default=-1)
    leader_epoch: int = wire(Int32, default=-1)


@struct
class PartitionProduceResponse:
    index: int = wire(Int32)
    error_code: int = wire(Int16)
    base_offset: int = wire(Int64)
    log_append_time_ms: int = wire(Int64, default=-1)
    log_start_offset: int = wire(Int64, since=5, default=-1)
    record_errors: list[BatchIndexAndErrorMessage] = wire(
        ArrayOf(BatchIndexAndErrorMessage), since=8, default=[]
    )
    error_message: str | None = wire(NullableString, since=8, default=None)
    current_leader: LeaderIdAndEpoch | None = wire(LeaderIdAndEpoch, since=10, tag=0, default=None)


@struct
class TopicProduceResponse:
    name: str = wire(String, until=12, default="")
    topic_id: bytes = wire(Uuid, since=13, default=ZERO_UUID)
    partition_responses: list[PartitionProduceResponse] = wire(ArrayOf(PartitionProduceResponse))


@struct
class NodeEndpoint:
    node_id: int = wire(Int32)
    host: str = wire(String)
    port: int = wire(Int32)
    rack: str | None = wire(NullableString, default=None)


@response(PRODUCE)
class ProduceResponse:
    responses: list[TopicProduceResponse] = wire(ArrayOf(TopicProduceResponse))
    throttle_time_ms: int = wire(Int32, default=0)
    node_endpoints: list[NodeEndpoint] = wire(ArrayOf(NodeEndpoint), since=10, tag=0, default=[])
