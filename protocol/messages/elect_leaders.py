"""ElectLeaders (key 43), v0–v2. Source: ElectLeadersRequest.json, ElectLeadersResponse.json;
KIP-183, KIP-460.

v1 election_type, an error of the whole · v2 flexible. Null `topic_partitions` asks for all.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int8,
    Int16,
    Int32,
    NullableArrayOf,
    NullableString,
    String,
    request,
    response,
    struct,
    wire,
)

ELECT_LEADERS = APIS[43]


@struct
class TopicPartitions:
    topic: str = wire(String)
    partitions: list[int] = wire(ArrayOf(Int32))


@request(ELECT_LEADERS)
class ElectLeadersRequest:
    election_type: int = wire(Int8, since=1, default=0)
    topic_partitions: list[TopicPartitions] | None = wire(NullableArrayOf(TopicPartitions))
    timeout_ms: int = wire(Int32, default=60000)


@struct
class PartitionResult:
    partition_id: int = wire(Int32)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)


@struct
class ReplicaElectionResult:
    topic: str = wire(String)
    partition_result: list[PartitionResult] = wire(ArrayOf(PartitionResult))


@response(ELECT_LEADERS)
class ElectLeadersResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16, since=1, default=0)
    replica_election_results: list[ReplicaElectionResult] = wire(ArrayOf(ReplicaElectionResult))
