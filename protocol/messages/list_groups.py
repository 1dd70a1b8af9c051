"""ListGroups (key 16), v0–v5. Source: ListGroupsRequest.json, ListGroupsResponse.json; KIP-518.

v1 throttle_time_ms · v3 flexible · v4 states · v5 types (KIP-848). v2 changes no byte.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int16, Int32, String, request, response, struct, wire

LIST_GROUPS = APIS[16]


@request(LIST_GROUPS)
class ListGroupsRequest:
    states_filter: list[str] = wire(ArrayOf(String), since=4, default=[])
    types_filter: list[str] = wire(ArrayOf(String), since=5, default=[])


@struct
class ListedGroup:
    group_id: str = wire(String)
    protocol_type: str = wire(String)
    group_state: str = wire(String, since=4, default="")
    group_type: str = wire(String, since=5, default="")


@response(LIST_GROUPS)
class ListGroupsResponse:
    throttle_time_ms: int = wire(Int32, since=1, default=0)
    error_code: int = wire(Int16)
    groups: list[ListedGroup] = wire(ArrayOf(ListedGroup))
