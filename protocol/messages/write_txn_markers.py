"""WriteTxnMarkers (key 27), v1–v2. Source: WriteTxnMarkersRequest.json,
WriteTxnMarkersResponse.json; KIP-98, KIP-890.

v1 flexible · v2 transaction_version
From a coordinator to the leaders of partitions; an administrator's tool sends it, too.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    request,
    response,
    struct,
    wire,
)

WRITE_TXN_MARKERS = APIS[27]


@struct
class WritableTxnMarkerTopic:
    name: str = wire(String)
    partition_indexes: list[int] = wire(ArrayOf(Int32))


@struct
class WritableTxnMarker:
    producer_id: int = wire(Int64)
    producer_epoch: int = wire(Int16)
    transaction_result: bool = wire(Bool)
    topics: list[WritableTxnMarkerTopic] = wire(ArrayOf(WritableTxnMarkerTopic))
    coordinator_epoch: int = wire(Int32)
    transaction_version: int = wire(Int8, since=2, default=0, ignorable=True)


@request(WRITE_TXN_MARKERS)
class WriteTxnMarkersRequest:
    markers: list[WritableTxnMarker] = wire(ArrayOf(WritableTxnMarker))


@struct
class WritableTxnMarkerPartitionResult:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)


@struct
class WritableTxnMarkerTopicResult:
    name: str = wire(String)
    partitions: list[WritableTxnMarkerPartitionResult] = wire(
        ArrayOf(WritableTxnMarkerPartitionResult)
    )


@struct
class WritableTxnMarkerResult:
    producer_id: int = wire(Int64)
    topics: list[WritableTxnMarkerTopicResult] = wire(ArrayOf(WritableTxnMarkerTopicResult))


@response(WRITE_TXN_MARKERS)
class WriteTxnMarkersResponse:
    markers: list[WritableTxnMarkerResult] = wire(ArrayOf(WritableTxnMarkerResult))
