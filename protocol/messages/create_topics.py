"""CreateTopics (key 19), v2–v7. Source: CreateTopicsRequest.json, CreateTopicsResponse.json;
KIP-464, KIP-525, KIP-599.

v4 -1 partitions or replicas for the broker's default · v5 flexible, the topic as it was created
v6 THROTTLING_QUOTA_EXCEEDED allowed · v7 topic_id. v3, v4 and v6 change no byte.
"""

from ..apis import APIS
from ..codec.schema import (
    ZERO_UUID,
    ArrayOf,
    Bool,
    Int8,
    Int16,
    Int32,
    NullableArrayOf,
    NullableString,
    String,
    Uuid,
    request,
    response,
    struct,
    wire,
)

CREATE_TOPICS = APIS[19]


@struct
class CreatableReplicaAssignment:
    partition_index: int = wire(Int32)
    broker_ids: list[int] = wire(ArrayOf(Int32))


@struct
class CreatableTopicConfig:
    name: str = wire(String)
    value: str | None = wire(NullableString)


@struct
class CreatableTopic:
    name: str = wire(String)
    num_partitions: int = wire(Int32)
    replication_factor: int = wire(Int16)
    assignments: list[CreatableReplicaAssignment] = wire(
        ArrayOf(CreatableReplicaAssignment), default=[]
    )
    configs: list[CreatableTopicConfig] = wire(ArrayOf(CreatableTopicConfig), default=[])


@request(CREATE_TOPICS)
class CreateTopicsRequest:
    topics: list[CreatableTopic] = wire(ArrayOf(CreatableTopic))
    timeout_ms: int = wire(Int32, default=60000)
    validate_only: bool = wire(Bool, default=False)


@struct
class CreatableTopicConfigs:
    name: str = wire(String)
    value: str | None = wire(NullableString)
    read_only: bool = wire(Bool)
    config_source: int = wire(Int8, default=-1)
    is_sensitive: bool = wire(Bool)


@struct
class CreatableTopicResult:
    name: str = wire(String)
    topic_id: bytes = wire(Uuid, since=7, default=ZERO_UUID)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)
    topic_config_error_code: int = wire(Int16, since=5, tag=0, default=0)
    num_partitions: int = wire(Int32, since=5, default=-1)
    replication_factor: int = wire(Int16, since=5, default=-1)
    configs: list[CreatableTopicConfigs] | None = wire(
        NullableArrayOf(CreatableTopicConfigs), since=5, default=[]
    )


@response(CREATE_TOPICS)
class CreateTopicsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    topics: list[CreatableTopicResult] = wire(ArrayOf(CreatableTopicResult))
