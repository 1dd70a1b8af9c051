"""DescribeQuorum (key 55), v0–v2. Source: DescribeQuorumRequest.json, DescribeQuorumResponse.json;
KIP-595, KIP-836, KIP-853.

v0 flexible · v1 when replicas have fetched · v2 directory ids, nodes with listeners, error texts
"""

from ..apis import APIS
from ..codec.schema import (
    ZERO_UUID,
    ArrayOf,
    Int16,
    Int32,
    Int64,
    NullableString,
    String,
    UInt16,
    Uuid,
    request,
    response,
    struct,
    wire,
)

DESCRIBE_QUORUM = APIS[55]


@struct
class DescribeQuorumPartition:
    partition_index: int = wire(Int32)


@struct
class DescribeQuorumTopic:
    topic_name: str = wire(String)
    partitions: list[DescribeQuorumPartition] = wire(ArrayOf(DescribeQuorumPartition))


@request(DESCRIBE_QUORUM)
class DescribeQuorumRequest:
    topics: list[DescribeQuorumTopic] = wire(ArrayOf(DescribeQuorumTopic))


@struct
class ReplicaState:
    replica_id: int = wire(Int32)
    replica_directory_id: bytes = wire(Uuid, since=2, default=ZERO_UUID)
    log_end_offset: int = wire(Int64)
    last_fetch_timestamp: int = wire(Int64, since=1, default=-1)
    last_caught_up_timestamp: int = wire(Int64, since=1, default=-1)


@struct
class QuorumPartition:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, since=2, default=None)
    leader_id: int = wire(Int32)
    leader_epoch: int = wire(Int32)
    high_watermark: int = wire(Int64)
    current_voters: list[ReplicaState] = wire(ArrayOf(ReplicaState))
    observers: list[ReplicaState] = wire(ArrayOf(ReplicaState))


@struct
class QuorumTopic:
    topic_name: str = wire(String)
    partitions: list[QuorumPartition] = wire(ArrayOf(QuorumPartition))


@struct
class Listener:
    name: str = wire(String)
    host: str = wire(String)
    port: int = wire(UInt16)


@struct
class Node:
    node_id: int = wire(Int32)
    listeners: list[Listener] = wire(ArrayOf(Listener))


@response(DESCRIBE_QUORUM)
class DescribeQuorumResponse:
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, since=2, default=None)
    topics: list[QuorumTopic] = wire(ArrayOf(QuorumTopic))
    nodes: list[Node] = wire(ArrayOf(Node), since=2, default=[])
