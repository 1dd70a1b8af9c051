"""Fetch (key 1), v4–v12. Source: FetchRequest.json, FetchResponse.json; KIP-227, KIP-392, KIP-595.

v4 as usual today · v5 log_start_offset · v7 fetch sessions · v9 current_leader_epoch
v10 zstd allowed · v11 rack_id, preferred_read_replica · v12 flexible, diverging epochs
v6, v8 and v10 change no byte.
Left out: v13 and later, which name topics by id only.
"""

from ..apis import APIS
from ..codec.schema import (
    ArrayOf,
    Int8,
    Int16,
    Int32,
    Int64,
    NullableArrayOf,
    NullableString,
    Records,
    String,
    request,
    response,
    struct,
    wire,
)

FETCH = APIS[1]


@struct
class FetchPartition:
    partition: int = wire(Int32)
    current_leader_epoch: int = wire(Int32, since=9, default=-1, ignorable=True)
    fetch_offset: int = wire(Int64)
    last_fetched_epoch: int = wire(Int32, since=12, default=-1)
    log_start_offset: int = wire(Int64, since=5, default=-1, ignorable=True)
    partition_max_bytes: int = wire(Int32)


@struct
class FetchTopic:
    topic: str = wire(String)
    partitions: list[FetchPartition] = wire(ArrayOf(FetchPartition))


@struct
class ForgottenTopic:
    topic: str = wire(String)
    partitions: list[int] = wire(ArrayOf(Int32))


@request(FETCH)
class FetchRequest:
    cluster_id: str | None = wire(NullableString, since=12, tag=0, default=None, ignorable=True)
    replica_id: int = wire(Int32, default=-1)
    max_wait_ms: int = wire(Int32)
    min_bytes: int = wire(Int32)
    max_bytes: int = wire(Int32, default=0x7FFFFFFF)
    isolation_level: int = wire(Int8, default=0)
    session_id: int = wire(Int32, since=7, default=0, ignorable=True)
    session_epoch: int = wire(Int32, since=7, default=-1, ignorable=True)
    topics: list[FetchTopic] = wire(ArrayOf(FetchTopic))
    forgotten_topics_data: list[ForgottenTopic] = wire(ArrayOf(ForgottenTopic), since=7, default=[])
    rack_id: str = wire(String, since=11, default="", ignorable=True)


@struct
class EpochEndOffset:
    epoch: int = wire(Int32, default=-1)
    end_offset: int = wire(Int64, default=-1)


@struct
class LeaderIdAndEpoch:
    leader_id: int = wire(Int32, default=-1)
    leader_epoch: int = wire(Int32, default=-1)


@struct
class SnapshotId:
    end_offset: int = wire(Int64, default=-1)
    epoch: int = wire(Int32, default=-1)


@struct
class AbortedTransaction:
    producer_id: int = wire(Int64)
    first_offset: int = wire(Int64)


@struct
class PartitionData:
    partition_index: int = wire(Int32)
    error_code: int = wire(Int16)
    high_watermark: int = wire(Int64)
    last_stable_offset: int = wire(Int64, default=-1)
    log_start_offset: int = wire(Int64, since=5, default=-1)
    diverging_epoch: EpochEndOffset | None = wire(EpochEndOffset, since=12, tag=0, default=None)
    current_leader: LeaderIdAndEpoch | None = wire(LeaderIdAndEpoch, since=12, tag=1, default=None)
    snapshot_id: SnapshotId | None = wire(SnapshotId, since=12, tag=2, default=None)
    aborted_transactions: list[AbortedTransaction] | None = wire(
        NullableArrayOf(AbortedTransaction), default=None
    )
    preferred_read_replica: int = wire(Int32, since=11, default=-1)
    records: bytes | memoryview | None = wire(Records)


@struct
class FetchableTopicResponse:
    topic: str = wire(String)
    partitions: list[PartitionData] = wire(ArrayOf(PartitionData))


@response(FETCH)
class FetchResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    error_code: int = wire(Int16, since=7, default=0)
    session_id: int = wire(Int32, since=7, default=0)
    responses: list[FetchableTopicResponse] = wire(ArrayOf(FetchableTopicResponse))
