"""What Apache Kafka 4.3.1 answers when a single field says something unusual.

Rows as in node_answers.py, without error texts. They come from sweeping every field of every
request on both brokers; here stand the kinds in which ours once differed.
"""

from __future__ import annotations

from typing import Any

from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsTopic
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from minibroker.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.answers.admin_answers import Row, create, delete, grow
from tests.support.answers.node_answers import NOT_SHOWN, elect, reassign

HIDDEN = NOT_SHOWN | {"error_message", "log_append_time_ms", "current_leader"}


def batch(count: int) -> bytes:
    """So many records; 69 bytes for one."""
    return build_batch([(None, b"v", (), 1_795_800_000_000)] * count)


def produce(*parts: tuple[str, int, int], acks: int = -1) -> ProduceRequest:
    """(topic, partition, records), a topic entry for each."""
    topics = [
        TopicProduceData(
            name=topic, partition_data=[PartitionProduceData(index=index, records=batch(count))]
        )
        for topic, index, count in parts
    ]
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=topics)


def fetch(*parts: tuple[str, int], **more: Any) -> FetchRequest:
    """(topic, partition) from offset 0, a topic entry for each."""
    epochs = {name: more.pop(name) for name in [*more] if name.endswith("leader_epoch")}
    epochs |= {name: more.pop(name) for name in [*more] if name == "last_fetched_epoch"}
    topics = [
        FetchTopic(
            topic=topic,
            partitions=[
                FetchPartition(
                    partition=index, fetch_offset=0, partition_max_bytes=100_000, **epochs
                )
            ],
        )
        for topic, index in parts
    ]
    return FetchRequest(max_wait_ms=0, min_bytes=1, max_bytes=100_000, topics=topics, **more)


def offsets(*parts: tuple[str, int]) -> ListOffsetsRequest:
    """The log ends, a topic entry for each."""
    topics = [
        ListOffsetsTopic(
            name=topic, partitions=[ListOffsetsPartition(partition_index=index, timestamp=-1)]
        )
        for topic, index in parts
    ]
    return ListOffsetsRequest(replica_id=-1, topics=topics)


def epoch(leader_epoch: int) -> OffsetForLeaderEpochRequest:
    """Where an epoch of f-0 ended."""
    part = OffsetForLeaderPartition(partition=0, current_leader_epoch=-1, leader_epoch=leader_epoch)
    return OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic="f", partitions=[part])])


def twice(name: str) -> MetadataRequest:
    """One topic, listed twice, not to be created."""
    topics = [MetadataRequestTopic(name=name), MetadataRequestTopic(name=name)]
    return MetadataRequest(topics=topics, allow_auto_topic_creation=False)


def in_no_time(message: Any) -> Any:
    """The request, to be done within 0 ms."""
    message.timeout_ms = 0
    return message


_FOUND = "(0 0 n 5 0 None None {} -1 {} bytes)"
_REFUSED = "(0 {} -1 -1 -1 None None {} -1 0 bytes)"

ROWS = (
    Row("create f", create("f", 2), None, "0 partitions=2 factor=1"),
    Row(
        "two partitions in two entries",
        produce(("f", 0, 1), ("f", 1, 1)),
        9,
        "[('f' - [(0 0 0 0 []), (1 0 0 0 [])])] []",
    ),
    Row(
        "a partition in two entries: the last",
        produce(("f", 0, 1), ("f", 0, 3)),
        9,
        "[('f' - [(0 0 1 0 [])])] []",
    ),
    Row("then as many are there", produce(("f", 0, 1)), 9, "[('f' - [(0 0 4 0 [])])] []"),
    Row(
        "a topic without partitions",
        ProduceRequest(
            acks=-1, timeout_ms=1, topic_data=[TopicProduceData(name="f", partition_data=[])]
        ),
        9,
        "[] []",
    ),
    Row(
        "acks of 2, listed twice",
        produce(("f", 0, 1), ("f", 0, 1), acks=2),
        9,
        "[('f' - [(0 21 -1 -1 [])])] []",
    ),
    Row("fetch", fetch(("f", 0)), 12, f"0 0 [('f' [{_FOUND.format(None, 223)}])]"),
    Row(
        "fetch what is listed twice",
        fetch(("f", 0), ("f", 0)),
        12,
        f"0 0 [('f' [{_FOUND.format(None, 223)}])]",
    ),
    Row(
        "fetch of what is committed",
        fetch(("f", 0), isolation_level=1),
        12,
        f"0 0 [('f' [{_FOUND.format([], 223)}])]",
    ),
    Row(
        "fetch as a follower",
        fetch(("f", 0), replica_id=7),
        12,
        f"0 0 [('f' [{_REFUSED.format(6, None)}])]",
    ),
    Row("fetch from nowhere", fetch(("no", 0)), 12, f"0 0 [('no' [{_REFUSED.format(3, [])}])]"),
    Row(
        "fetch by an epoch below all",
        fetch(("f", 0), current_leader_epoch=-5),
        12,
        f"0 0 [('f' [{_FOUND.format(None, 223)}])]",
    ),
    Row(
        "fetch after an epoch below all",
        fetch(("f", 0), last_fetched_epoch=-5),
        12,
        f"0 0 [('f' [{_FOUND.format(None, 223)}])]",
    ),
    Row("fetch in the middle of no session", fetch(("f", 0), session_epoch=3), 12, "70 0 []"),
    Row(
        "fetch of no partitions",
        FetchRequest(
            max_wait_ms=0, min_bytes=1, max_bytes=9, topics=[FetchTopic(topic="f", partitions=[])]
        ),
        12,
        "0 0 []",
    ),
    Row("offsets listed twice", offsets(("f", 0), ("f", 0)), 9, "[('f' [(0 42 -1 -1)])]"),
    Row(
        "offsets in two entries", offsets(("f", 0), ("f", 1)), 9, "[('f' [(0 0 -1 5), (1 0 -1 1)])]"
    ),
    Row("the end of an epoch below all", epoch(-5), None, "[('f' [(0 0 0)])]"),
    Row(
        "a topic listed twice",
        twice("f"),
        12,
        "0 f partitions=2 may=-2147483648 cluster=-2147483648",
    ),
    Row(
        "an unknown topic listed twice",
        twice("no"),
        12,
        "3 no partitions=0 may=-2147483648 cluster=-2147483648",
    ),
    Row("delete neither by name nor by id", delete(None), None, "[(None - 42)]"),
    Row(
        "delete records of no partitions",
        DeleteRecordsRequest(topics=[DeleteRecordsTopic(name="f", partitions=[])], timeout_ms=1),
        None,
        "[]",
    ),
    Row("create in no time", in_no_time(create("g")), None, "7 partitions=-1 factor=-1"),
    Row(
        "then there is none", twice("g"), 12, "3 g partitions=0 may=-2147483648 cluster=-2147483648"
    ),
    Row("grow in no time", in_no_time(grow("f", 3)), None, "[('f' 7)]"),
    Row("delete in no time", in_no_time(delete("f")), None, "[('f' - 7)]"),
    Row("elect in no time", in_no_time(elect(0, ("f", [0]))), None, "7 [('f' [(0 7)])]"),
    Row("reassign in no time", in_no_time(reassign(("f", 0, [1]))), None, "True 7 [('f' [(0 7)])]"),
)
