"""AddPartitionsToTxn (key 24), v0–v5. Source: AddPartitionsToTxnRequest.json,
AddPartitionsToTxnResponse.json; KIP-98, KIP-890.

v3 flexible · v4 many transactions in one request, verify_only, error_code at the top
v2 PRODUCER_FENCED allowed · v5 TRANSACTION_ABORTABLE allowed. v1, v2 and v5 change no byte.
Clients send v0–v3, whose fields Kafka calls "v3_and_below"; v4 and v5 are for brokers.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int16,
    Int32,
    Int64,
    String,
    request,
    response,
    struct,
    wire,
)

ADD_PARTITIONS_TO_TXN = APIS[24]


@struct
class AddPartitionsToTxnTopic:
    name: str = wire(String)
    partitions: list[int] = wire(ArrayOf(Int32))


@struct
class AddPartitionsToTxnTransaction:
    transactional_id: str = wire(String)
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int16)
    verify_only: bool = wire(Bool, default=False)
    topics: list[AddPartitionsToTxnTopic] = wire(ArrayOf(AddPartitionsToTxnTopic))


@request(ADD_PARTITIONS_TO_TXN)
class AddPartitionsToTxnRequest:
    transactions: list[AddPartitionsToTxnTransaction] = wire(
        ArrayOf(AddPartitionsToTxnTransaction), since=4, default=[]
    )
    v3_and_below_transactional_id: str = wire(String, until=3, default="")
    v3_and_below_producer_id: int = wire(Int64, until=3, default=0)
    v3_and_below_producer_epoch: int = wire(Int16, until=3, default=0)
    v3_and_below_topics: list[AddPartitionsToTxnTopic] = wire(
        ArrayOf(AddPartitionsToTxnTopic), until=3, default=[]
    )


@struct
class AddPartitionsToTxnPartitionResult:
    partition_index: int = wire(Int32)
    partition_error_code: int = wire(Int16)


@struct
class AddPartitionsToTxnTopicResult:
    name: str = wire(String)
    results_by_partition: list[AddPartitionsToTxnPartitionResult] = wire(
        ArrayOf(AddPartitionsToTxnPartitionResult)
    )


@struct
class AddPartitionsToTxnResult:
    transactional_id: str = wire(String)
    topic_results: list[AddPartitionsToTxnTopicResult] = wire(
        ArrayOf(AddPartitionsToTxnTopicResult)
    )


@response(ADD_PARTITIONS_TO_TXN)
class AddPartitionsToTxnResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16, since=4, default=0)
    results_by_transaction: list[AddPartitionsToTxnResult] = wire(
        ArrayOf(AddPartitionsToTxnResult), since=4, default=[]
    )
    results_by_topic_v3_and_below: list[AddPartitionsToTxnTopicResult] = wire(
        ArrayOf(AddPartitionsToTxnTopicResult), until=3, default=[]
    )
