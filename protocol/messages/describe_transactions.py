"""DescribeTransactions (key 65), v0–v0. Source: DescribeTransactionsRequest.json,
DescribeTransactionsResponse.json; KIP-664.

v0 flexible. States are told by the names that ListTransactions filters by.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int16, Int32, Int64, String, request, response, struct, wire

DESCRIBE_TRANSACTIONS = APIS[65]


@request(DESCRIBE_TRANSACTIONS)
class DescribeTransactionsRequest:
    transactional_ids: list[str] = wire(ArrayOf(String))


@struct
class TopicData:
    topic: str = wire(String)
    partitions: list[int] = wire(ArrayOf(Int32))


@struct
class TransactionState:
    error_code: int = wire(Int16)
    transactional_id: str = wire(String)
    transaction_state: str = wire(String)
    transaction_timeout_ms: int = wire(Int32)
    transaction_start_time_ms: int = wire(Int64)
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int16)
    topics: list[TopicData] = wire(ArrayOf(TopicData))


@response(DESCRIBE_TRANSACTIONS)
class DescribeTransactionsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    transaction_states: list[TransactionState] = wire(ArrayOf(TransactionState))
