"""ListPartitionReassignments (key 46), v0–v0.
Source: ListPartitionReassignmentsRequest.json,
ListPartitionReassignmentsResponse.json; KIP-455.

v0 flexible. Null `topics` asks for all.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
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

LIST_PARTITION_REASSIGNMENTS = APIS[46]


@struct
class ListPartitionReassignmentsTopics:
    name: str = wire(String)
    partition_indexes: list[int] = wire(ArrayOf(Int32))


@request(LIST_PARTITION_REASSIGNMENTS)
class ListPartitionReassignmentsRequest:
    timeout_ms: int = wire(Int32, default=60000)
    topics: list[ListPartitionReassignmentsTopics] | None = wire(
        NullableArrayOf(ListPartitionReassignmentsTopics)
    )


@struct
class OngoingPartitionReassignment:
    partition_index: int = wire(Int32)
    replicas: list[int] = wire(ArrayOf(Int32))
    adding_replicas: list[int] = wire(ArrayOf(Int32))
    removing_replicas: list[int] = wire(ArrayOf(Int32))


@struct
class OngoingTopicReassignment:
    name: str = wire(String)
    partitions: list[OngoingPartitionReassignment] = wire(ArrayOf(OngoingPartitionReassignment))


@response(LIST_PARTITION_REASSIGNMENTS)
class ListPartitionReassignmentsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString)
    topics: list[OngoingTopicReassignment] = wire(ArrayOf(OngoingTopicReassignment))
