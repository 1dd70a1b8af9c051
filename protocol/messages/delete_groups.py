"""DeleteGroups (key 42), v0–v2. Source: DeleteGroupsRequest.json,
DeleteGroupsResponse.json; KIP-229.

v2 flexible. v1 changes no byte.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int16, Int32, String, request, response, struct, wire

DELETE_GROUPS = APIS[42]


@request(DELETE_GROUPS)
class DeleteGroupsRequest:
    groups_names: list[str] = wire(ArrayOf(String))


@struct
class DeletableGroupResult:
    group_id: str = wire(String)
    error_code: int = wire(Int16)


@response(DELETE_GROUPS)
class DeleteGroupsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    results: list[DeletableGroupResult] = wire(ArrayOf(DeletableGroupResult))
