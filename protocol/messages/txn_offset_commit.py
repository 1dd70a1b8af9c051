"""TxnOffsetCommit (key 28), v0–v5. Source: TxnOffsetCommitRequest.json,
TxnOffsetCommitResponse.json; KIP-98, KIP-447, KIP-890.

v2 committed_leader_epoch · v3 flexible, the member that commits · v4 TRANSACTION_ABORTABLE allowed
v1, v4 and v5 change no byte; a client that sends v5 has not sent AddOffsetsToTxn.
Left out: v6 (topic ids), which Kafka 4.3 does not call stable.
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

TXN_OFFSET_COMMIT = APIS[28]


@struct
class TxnOffsetCommitRequestPartition:
    partition_index: int = wire(Int32)
    committed_offset: int = wire(Int64)
    committed_leader_epoch: int = wire(Int32, since=2, default=-1, ignorable=True)
    committed_metadata: str | None = wire(NullableString)


@struct
class TxnOffsetCommitRequestTopic:
    name: str = wire(String)
    partitions: list[TxnOffsetCommitRequestPartition] = wire(
        ArrayOf(TxnOffsetCommitRequestPartition)
    )


@request(TXN_OFFSET_COMMIT)
class TxnOffsetCommitRequest:
    transactional_id: str = wire(String)
    group_id: str = wire(String)
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int16)
    generation_id: int = wire(Int32, since=3, default=-1)
    member_id: str = wire(String, since=3, default="")
    group_instance_id: str | None = wire(NullableString, since=3, default=None)
    topics: list[TxnOffsetCommitRequestTopic] = wire(ArrayOf(TxnOffsetCommitRequestTopic))


@struct
class TxnOffsetCommitResponsePartition:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)


@struct
class TxnOffsetCommitResponseTopic:
    name: str = wire(String)
    partitions: list[TxnOffsetCommitResponsePartition] = wire(
        ArrayOf(TxnOffsetCommitResponsePartition)
    )


@response(TXN_OFFSET_COMMIT)
class TxnOffsetCommitResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    topics: list[TxnOffsetCommitResponseTopic] = wire(ArrayOf(TxnOffsetCommitResponseTopic))
