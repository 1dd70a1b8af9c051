"""OffsetForLeaderEpoch (key 23), v2–v4. Source: OffsetForLeaderEpochRequest.json,
OffsetForLeaderEpochResponse.json; KIP-320.

v3 replica_id · v4 flexible
Unknown epochs are answered with leader_epoch -1 and end_offset -1.
"""

from ..apis import APIS
from ..codec.schema import ArrayOf, Int16, Int32, Int64, String, request, response, struct, wire

OFFSET_FOR_LEADER_EPOCH = APIS[23]


@struct
class OffsetForLeaderPartition:
    partition: int = wire(Int32)
    current_leader_epoch: int = wire(Int32, default=-1)
    leader_epoch: int = wire(Int32)


@struct
class OffsetForLeaderTopic:
    topic: str = wire(String)
    partitions: list[OffsetForLeaderPartition] = wire(ArrayOf(OffsetForLeaderPartition))


@request(OFFSET_FOR_LEADER_EPOCH)
class OffsetForLeaderEpochRequest:
    replica_id: int = wire(Int32, since=3, default=-2, ignorable=True)
    topics: list[OffsetForLeaderTopic] = wire(ArrayOf(OffsetForLeaderTopic))


@struct
class EpochEndOffset:
    error_code: int = wire(Int16)
    partition: int = wire(Int32)
    leader_epoch: int = wire(Int32, default=-1)
    end_offset: int = wire(Int64, default=-1)


@struct
class OffsetForLeaderTopicResult:
    topic: str = wire(String)
    partitions: list[EpochEndOffset] = wire(ArrayOf(EpochEndOffset))


@response(OFFSET_FOR_LEADER_EPOCH)
class OffsetForLeaderEpochResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    topics: list[OffsetForLeaderTopicResult] = wire(ArrayOf(OffsetForLeaderTopicResult))
