"""ListConfigResources (key 74), v0–v1.
Source: ListConfigResourcesRequest.json,
ListConfigResourcesResponse.json; KIP-714, KIP-1142.

v0 flexible, client metrics only (then named ListClientMetricsResources) · v1 resources of any type.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int8, Int16, Int32, String, request, response, struct, wire

LIST_CONFIG_RESOURCES = APIS[74]


@request(LIST_CONFIG_RESOURCES)
class ListConfigResourcesRequest:
    resource_types: list[int] = wire(ArrayOf(Int8), since=1, default=[])


@struct
class ConfigResource:
    resource_name: str = wire(String)
    resource_type: int = wire(Int8, since=1, default=16)


@response(LIST_CONFIG_RESOURCES)
class ListConfigResourcesResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    config_resources: list[ConfigResource] = wire(ArrayOf(ConfigResource))
