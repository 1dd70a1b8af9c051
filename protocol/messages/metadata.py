"""Metadata (key 3), v0–v13. Source: MetadataRequest.json, MetadataResponse.json; KIP-516.

v1 null topics, rack, controller_id · v2 cluster_id · v3 throttle_time_ms · v4 auto creation
v5 offline_replicas · v6 the same · v7 leader_epoch · v8 authorized operations · v9 flexible
v10 topic_id · v11 no cluster operations · v12 null name · v13 error_code
In v0 an empty list asks for all topics and null does not exist; from v1 null asks for all.
"""

from ..apis import APIS
from ..codec.schema import (
    ZERO_UUID,
    ArrayOf,
    Bool,
    Int16,
    Int32,
    NullableString,
    String,
    Uuid,
    request,
    response,
    struct,
    wire,
)

METADATA = APIS[3]
OPERATIONS_NOT_ASKED = -(2**31)


@struct
class MetadataRequestTopic:
    topic_id: bytes = wire(Uuid, since=10, default=ZERO_UUID, ignorable=True)
    name: str | None = wire(String, nullable_since=10)


@request(METADATA)
class MetadataRequest:
    topics: list[MetadataRequestTopic] | None = wire(
        ArrayOf(MetadataRequestTopic), nullable_since=1
    )
    allow_auto_topic_creation: bool = wire(Bool, since=4, default=True)
    include_cluster_authorized_operations: bool = wire(Bool, since=8, until=10, default=False)
    include_topic_authorized_operations: bool = wire(Bool, since=8, default=False)


@struct
class MetadataResponseBroker:
    node_id: int = wire(Int32)
    host: str = wire(String)
    port: int = wire(Int32)
    rack: str | None = wire(NullableString, since=1, default=None)


@struct
class MetadataResponsePartition:
    error_code: int = wire(Int16)
    partition_index: int = wire(Int32)
    leader_id: int = wire(Int32)
    leader_epoch: int = wire(Int32, since=7, default=-1)
    replica_nodes: list[int] = wire(ArrayOf(Int32))
    isr_nodes: list[int] = wire(ArrayOf(Int32))
    offline_replicas: list[int] = wire(ArrayOf(Int32), since=5, default=[])


@struct
class MetadataResponseTopic:
    error_code: int = wire(Int16)
    name: str | None = wire(String, nullable_since=12)
    topic_id: bytes = wire(Uuid, since=10, default=ZERO_UUID)
    is_internal: bool = wire(Bool, since=1, default=False)
    partitions: list[MetadataResponsePartition] = wire(ArrayOf(MetadataResponsePartition))
    topic_authorized_operations: int = wire(Int32, since=8, default=OPERATIONS_NOT_ASKED)


@response(METADATA)
class MetadataResponse:
    throttle_time_ms: int = wire(Int32, since=3, default=0)
    brokers: list[MetadataResponseBroker] = wire(ArrayOf(MetadataResponseBroker))
    cluster_id: str | None = wire(NullableString, since=2, default=None)
    controller_id: int = wire(Int32, since=1, default=-1)
    topics: list[MetadataResponseTopic] = wire(ArrayOf(MetadataResponseTopic))
    cluster_authorized_operations: int = wire(
        Int32, since=8, until=10, default=OPERATIONS_NOT_ASKED
    )
    error_code: int = wire(Int16, since=13, default=0)
