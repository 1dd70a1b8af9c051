"""EndTxn (key 26), v0–v5. Source: EndTxnRequest.json, EndTxnResponse.json; KIP-98, KIP-890.

v2 PRODUCER_FENCED allowed · v3 flexible · v4 TRANSACTION_ABORTABLE allowed
v5 the answer has the id and epoch for the next transaction. v1, v2 and v4 change no byte.
"""

from ..apis import APIS
from ..codec.schema import Bool, Int16, Int32, Int64, String, request, response, wire

END_TXN = APIS[26]


@request(END_TXN)
class EndTxnRequest:
    transactional_id: str = wire(String)
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int16)
    committed: bool = wire(Bool)


@response(END_TXN)
class EndTxnResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    producer_id: int = wire(Int64, since=5, default=-1)
    producer_epoch: int = wire(Int16, since=5, default=-1)
