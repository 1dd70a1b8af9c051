"""Heartbeat (key 12), v0–v4. Source: HeartbeatRequest.json, HeartbeatResponse.json; KIP-345.

v1 throttle_time_ms · v3 group_instance_id · v4 flexible. v2 changes no byte.
"""

from ..apis import APIS
from ..codec.schema import Int16, Int32, NullableString, String, request, response, wire

HEARTBEAT = APIS[12]


@request(HEARTBEAT)
class HeartbeatRequest:
    group_id: str = wire(String)
    generation_id: int = wire(Int32)
    member_id: str = wire(String)
    group_instance_id: str | None = wire(NullableString, since=3, default=None)


@response(HEARTBEAT)
class HeartbeatResponse:
    throttle_time_ms: int = wire(Int32, since=1, default=0)
    error_code: int = wire(Int16)
