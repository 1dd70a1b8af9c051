"""ApiVersions (key 18), v0–v4. Source: ApiVersionsRequest.json, ApiVersionsResponse.json; KIP-511.

v1 throttle_time_ms · v3 flexible, client software, features · v4 features from version 0 allowed
The response header is v0 in every version (header.py), and a request of a version that nobody
serves is answered with the v0 body.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int16,
    Int32,
    Int64,
    String,
    request,
    response,
    struct,
    wire,
)

API_VERSIONS = APIS[18]


@request(API_VERSIONS)
class ApiVersionsRequest:
    client_software_name: str = wire(String, since=3, default="", ignorable=True)
    client_software_version: str = wire(String, since=3, default="", ignorable=True)


@struct
class ApiVersion:
    api_key: int = wire(Int16)
    min_version: int = wire(Int16)
    max_version: int = wire(Int16)


@struct
class SupportedFeatureKey:
    name: str = wire(String)
    min_version: int = wire(Int16)
    max_version: int = wire(Int16)


@struct
class FinalizedFeatureKey:
    name: str = wire(String)
    max_version_level: int = wire(Int16)
    min_version_level: int = wire(Int16)


@response(API_VERSIONS)
class ApiVersionsResponse:
    error_code: int = wire(Int16)
    api_keys: list[ApiVersion] = wire(ArrayOf(ApiVersion))
    throttle_time_ms: int = wire(Int32, since=1, default=0)
    supported_features: list[SupportedFeatureKey] = wire(
        ArrayOf(SupportedFeatureKey), since=3, tag=0, default=[]
    )
    finalized_features_epoch: int = wire(Int64, since=3, tag=1, default=-1)
    finalized_features: list[FinalizedFeatureKey] = wire(
        ArrayOf(FinalizedFeatureKey), since=3, tag=2, default=[]
    )
    zk_migration_ready: bool = wire(Bool, since=3, tag=3, default=False)
