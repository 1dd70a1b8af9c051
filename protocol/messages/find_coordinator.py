"""FindCoordinator (key 10), v0–v5. Source: FindCoordinatorRequest.json,
FindCoordinatorResponse.json; KIP-699.

v1 key_type, throttle_time_ms, error_message · v3 flexible · v4 several keys, and answers, at once
v5 TRANSACTION_ABORTABLE allowed. v2 and v5 change no byte.
Below v4 the single answer is in the response itself, from v4 only in `coordinators`.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int8,
    Int16,
    Int32,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

FIND_COORDINATOR = APIS[10]


@request(FIND_COORDINATOR)
class FindCoordinatorRequest:
    key: str = wire(String, until=3, default="")
    key_type: int = wire(Int8, since=1, default=0)
    coordinator_keys: list[str] = wire(ArrayOf(String), since=4, default=[])


@struct
class Coordinator:
    key: str = wire(String)
    node_id: int = wire(Int32)
    host: str = wire(String)
    port: int = wire(Int32)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)


@response(FIND_COORDINATOR)
class FindCoordinatorResponse:
    throttle_time_ms: int = wire(Int32, since=1, default=0)
    error_code: int = wire(Int16, until=3, default=0)
    error_message: str | None = wire(NullableString, since=1, until=3, default=None)
    node_id: int = wire(Int32, until=3, default=0)
    host: str = wire(String, until=3, default="")
    port: int = wire(Int32, until=3, default=0)
    coordinators: list[Coordinator] = wire(ArrayOf(Coordinator), since=4, default=[])
