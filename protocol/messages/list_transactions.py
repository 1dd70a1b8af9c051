"""ListTransactions (key 66), v0–v2. Source: ListTransactionsRequest.json,
ListTransactionsResponse.json; KIP-664, KIP-994, KIP-1152.

v0 flexible · v1 duration_filter · v2 transactional_id_pattern
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

LIST_TRANSACTIONS = APIS[66]


@request(LIST_TRANSACTIONS)
class ListTransactionsRequest:
    state_filters: list[str] = wire(ArrayOf(String))
    producer_id_filters: list[int] = wire(ArrayOf(Int64))
    duration_filter: int = wire(Int64, since=1, default=-1)
    transactional_id_pattern: str | None = wire(NullableString, since=2, default=None)


@struct
class TransactionState:
    transactional_id: str = wire(String)
    producer_id: int = wire(Int64)
    transaction_state: str = wire(String)


@response(LIST_TRANSACTIONS)
class ListTransactionsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    unknown_state_filters: list[str] = wire(ArrayOf(String))
    transaction_states: list[TransactionState] = wire(ArrayOf(TransactionState))
