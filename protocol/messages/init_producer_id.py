"""InitProducerId (key 22), v0–v5. Source: InitProducerIdRequest.json, InitProducerIdResponse.json;
KIP-98, KIP-360.

v2 flexible · v3 the producer's present id and epoch · v4 PRODUCER_FENCED allowed
v5 TRANSACTION_ABORTABLE allowed. v1, v4 and v5 change no byte.
Left out: v6 (two-phase commit), which Kafka itself does not call stable.
"""

from ..apis import APIS
from ..codec.schema import Int16, Int32, Int64, NullableString, request, response, wire

INIT_PRODUCER_ID = APIS[22]


@request(INIT_PRODUCER_ID)
class InitProducerIdRequest:
    transactional_id: str | None = wire(NullableString)
    transaction_timeout_ms: int = wire(Int32)
    producer_id: int = wire(Int64, since=3, default=-1)
    producer_epoch: int = wire(Int16, since=3, default=-1)


@response(INIT_PRODUCER_ID)
class InitProducerIdResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    producer_id: int = wire(Int64, default=-1)
    producer_epoch: int = wire(Int16, default=-1)
