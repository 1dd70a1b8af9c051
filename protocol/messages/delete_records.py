"""DeleteRecords (key 21), v0–v2. Source: DeleteRecordsRequest.json, DeleteRecordsResponse.json;
KIP-107.

v2 flexible. v1 changes no byte. An `offset` of -1 stands for the high watermark.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int16,
    Int32,
    Int64,
    String,
    request,
    response,
    struct,
    wire,
)

DELETE_RECORDS = APIS[21]


@struct
class DeleteRecordsPartition:
    partition_index: int = wire(Int32)
    offset: int = wire(Int64)


@struct
class DeleteRecordsTopic:
    name: str = wire(String)
    partitions: list[DeleteRecordsPartition] = wire(ArrayOf(DeleteRecordsPartition))


@request(DELETE_RECORDS)
class DeleteRecordsRequest:
    topics: list[DeleteRecordsTopic] = wire(ArrayOf(DeleteRecordsTopic))
    timeout_ms: int = wire(Int32)


@struct
class DeleteRecordsPartitionResult:
    partition_index: int = wire(Int32)
    low_watermark: int = wire(Int64)
    error_code: int = wire(Int16)


@struct
class DeleteRecordsTopicResult:
    name: str = wire(String)
    partitions: list[DeleteRecordsPartitionResult] = wire(ArrayOf(DeleteRecordsPartitionResult))


@response(DELETE_RECORDS)
class DeleteRecordsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    topics: list[DeleteRecordsTopicResult] = wire(ArrayOf(DeleteRecordsTopicResult))
