"""AddOffsetsToTxn (key 25), v0–v4. Source: AddOffsetsToTxnRequest.json,
AddOffsetsToTxnResponse.json; KIP-98, KIP-890.

v2 PRODUCER_FENCED allowed · v3 flexible · v4 TRANSACTION_ABORTABLE allowed
v1, v2 and v4 change no byte.
"""

from ..apis import APIS
from ..codec.schema import Int16, Int32, Int64, String, request, response, wire

ADD_OFFSETS_TO_TXN = APIS[25]


@request(ADD_OFFSETS_TO_TXN)
class AddOffsetsToTxnRequest:
    transactional_id: str = wire(String)
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int16)
    group_id: str = wire(String)


@response(ADD_OFFSETS_TO_TXN)
class AddOffsetsToTxnResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
