"""DescribeCluster (key 60), v0–v2. Source: DescribeClusterRequest.json,
DescribeClusterResponse.json; KIP-700, KIP-919, KIP-1073.

v0 flexible from the start · v1 endpoint_type (1 brokers, 2 controllers) · v2 fenced brokers
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
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
from .metadata import OPERATIONS_NOT_ASKED

DESCRIBE_CLUSTER = APIS[60]


@request(DESCRIBE_CLUSTER)
class DescribeClusterRequest:
    include_cluster_authorized_operations: bool = wire(Bool, default=False)
    endpoint_type: int = wire(Int8, since=1, default=1)
    include_fenced_brokers: bool = wire(Bool, since=2, default=False)


@struct
class DescribeClusterBroker:
    broker_id: int = wire(Int32)
    host: str = wire(String)
    port: int = wire(Int32)
    rack: str | None = wire(NullableString, default=None)
    is_fenced: bool = wire(Bool, since=2, default=False)


@response(DESCRIBE_CLUSTER)
class DescribeClusterResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    endpoint_type: int = wire(Int8, since=1, default=1)
    cluster_id: str = wire(String)
    controller_id: int = wire(Int32, default=-1)
    brokers: list[DescribeClusterBroker] = wire(ArrayOf(DescribeClusterBroker))
    cluster_authorized_operations: int = wire(Int32, default=OPERATIONS_NOT_ASKED)
