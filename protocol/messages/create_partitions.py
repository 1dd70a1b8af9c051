"""CreatePartitions (key 37), v0–v3. Source: CreatePartitionsRequest.json,
CreatePartitionsResponse.json; KIP-195, KIP-599.

v2 flexible · v3 THROTTLING_QUOTA_EXCEEDED allowed. v1 and v3 change no byte.
`count` is the new total.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
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

CREATE_PARTITIONS = APIS[37]


@struct
class CreatePartitionsAssignment:
    broker_ids: list[int] = wire(ArrayOf(Int32))


@struct
class CreatePartitionsTopic:
    name: str = wire(String)
    count: int = wire(Int32)
    assignments: list[CreatePartitionsAssignment] | None = wire(
        NullableArrayOf(CreatePartitionsAssignment), default=None
    )


@request(CREATE_PARTITIONS)
class CreatePartitionsRequest:
    topics: list[CreatePartitionsTopic] = wire(ArrayOf(CreatePartitionsTopic))
    timeout_ms: int = wire(Int32)
    validate_only: bool = wire(Bool, default=False)


@struct
class CreatePartitionsTopicResult:
    name: str = wire(String)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, default=None)


@response(CREATE_PARTITIONS)
class CreatePartitionsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    results: list[CreatePartitionsTopicResult] = wire(ArrayOf(CreatePartitionsTopicResult))
