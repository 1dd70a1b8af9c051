"""What Apache Kafka 4.3.1 answers when records have gone from a partition's beginning.

As in admin_answers.py, with topics of their own. The broker must look for old segments often
(SETTINGS); rows about where a log begins are asked again until it has.
"""

from __future__ import annotations

import time
from typing import Any

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
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

from tests.support.answers.admin_answers import ZERO_ID, Row, create
from tests.support.answers.admin_answers import shown as shown_elsewhere

SETTINGS = {"log.retention.check.interval.ms": "100", "log.initial.task.delay.ms": "100"}
SETTLED_S = 5
UNSETTLED = ("3 ", "6 ")
FIRST_AT_MS = 1_700_000_000_000
NEWEST_MS = FIRST_AT_MS + 100


def produce(
    *timestamps: int, name: str = "s", producer_id: int = -1, sequence: int = -1
) -> ProduceRequest:
    """One batch with a record for each timestamp; the producer's epoch is 0."""
    records = build_batch(
        [(None, b"v", (), timestamp) for timestamp in timestamps],
        producer_id=producer_id,
        producer_epoch=min(producer_id, 0),
        base_sequence=sequence,
    )
    part = PartitionProduceData(index=0, records=records)
    topic = TopicProduceData(name=name, partition_data=[part])
    return ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic])


def fetch(offset: int, name: str = "s", last_fetched_epoch: int = -1) -> FetchRequest:
    """At most one batch, from an offset on."""
    part = FetchPartition(
        partition=0,
        fetch_offset=offset,
        partition_max_bytes=1,
        last_fetched_epoch=last_fetched_epoch,
    )
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=1,
        session_epoch=-1,
        topics=[FetchTopic(topic=name, partitions=[part])],
        forgotten_topics_data=[],
    )


def delete_records(offset: int, name: str = "s") -> DeleteRecordsRequest:
    """What stands before an offset."""
    part = DeleteRecordsPartition(partition_index=0, offset=offset)
    topic = DeleteRecordsTopic(name=name, partitions=[part])
    return DeleteRecordsRequest(topics=[topic], timeout_ms=5000)


def where(timestamp: int, name: str = "s") -> ListOffsetsRequest:
    """Where a timestamp, or one of the special ones, is."""
    part = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
    return ListOffsetsRequest(
        replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=[part])]
    )


def epoch_end(leader_epoch: int) -> OffsetForLeaderEpochRequest:
    """Where a leader epoch ended."""
    part = OffsetForLeaderPartition(partition=0, leader_epoch=leader_epoch)
    return OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic="s", partitions=[part])])


def delete_topic(name: str) -> DeleteTopicsRequest:
    """A whole topic."""
    state = DeleteTopicState(name=name, topic_id=ZERO_ID)
    return DeleteTopicsRequest(topics=[state], topic_names=[], timeout_ms=5000)


def shown(response: Any) -> str:
    """A response as the short text of a row; of Produce, with the log start."""
    if type(response).__name__ == "ProduceResponse":
        return ",".join(
            f"{p.error_code} offset={p.base_offset} start={p.log_start_offset}"
            for t in response.responses
            for p in t.partition_responses
        )
    return shown_elsewhere(response)


def _found(offset: int, timestamp: int = -1, epoch: int = 0) -> str:
    return f"0 offset={offset} timestamp={timestamp} epoch={epoch}"


_NEW = "0 partitions=1 factor=1"
_FIVE = [FIRST_AT_MS + index for index in range(5)]
_ONES = {"internal.segment.bytes": "100"}
_LOST = "offset=-1 timestamp=-1 epoch=-1"
_GONE = "0 1 hw=-1 lso=-1 start=-1 bytes=0"


def _data(high_watermark: int, start: int, size: int) -> str:
    return f"0 0 hw={high_watermark} lso={high_watermark} start={start} bytes={size}"


ROWS = (
    Row("a topic", create("s", configs={"retention.ms": "-1"}), None, _NEW),
    Row("the newest first", produce(NEWEST_MS, *_FIVE[1:]), None, "0 offset=0 start=0"),
    Row("five", produce(*_FIVE), None, "0 offset=5 start=0"),
    Row("five more", produce(*_FIVE), None, "0 offset=10 start=0"),
    Row("delete some", delete_records(7), None, "0 start=7"),
    Row("fetch from 0", fetch(0), 12, _GONE),
    Row("fetch just before", fetch(6), 12, _GONE),
    Row("fetch the first, within a batch", fetch(7), 12, _data(15, 7, 101)),
    Row("fetch on", fetch(9), 12, _data(15, 7, 101)),
    Row("fetch at the end", fetch(15), 12, _data(15, 7, 0)),
    Row("fetch beyond", fetch(16), 12, _GONE),
    Row("fetch before, with an epoch", fetch(3, last_fetched_epoch=0), 12, _GONE),
    Row("fetch in v4", fetch(7), 4, "0 0 hw=15 lso=15 start=-1 bytes=101"),
    Row("earliest", where(-2), 9, _found(7)),
    Row("earliest local", where(-4), 9, _found(7)),
    Row("latest", where(-1), 9, _found(15)),
    Row("the newest", where(-3), 9, _found(0, NEWEST_MS)),
    Row("a time", where(FIRST_AT_MS), 9, _found(7, FIRST_AT_MS + 2)),
    Row("a time that has gone", where(NEWEST_MS), 9, f"0 {_LOST}"),
    Row("where the epoch ended", epoch_end(0), None, "0 epoch=0 end=15"),
    Row("a sixth", produce(_FIVE[0]), None, "0 offset=15 start=7"),
    Row("with an id", produce(*_FIVE, producer_id=4, sequence=0), None, "0 offset=16 start=7"),
    Row("delete all", delete_records(-1), None, "0 start=21"),
    Row(
        "a retry of what has gone",
        produce(*_FIVE, producer_id=4, sequence=0),
        None,
        "0 offset=16 start=21",
    ),
    Row("the next", produce(*_FIVE, producer_id=4, sequence=5), None, "0 offset=21 start=21"),
    Row("fetch the last that has gone", fetch(20), 12, _GONE),
    Row(
        "a refused one", produce(*_FIVE, producer_id=4, sequence=99), None, "45 offset=-1 start=21"
    ),
    Row("a compacted topic", create("c", configs={"cleanup.policy": "compact"}), None, _NEW),
    Row("delete of it", delete_records(0, "c"), None, "44 start=-1"),
    Row("both", create("d", configs={"cleanup.policy": "compact,delete"}), None, _NEW),
    Row("delete of that", delete_records(0, "d"), None, "0 start=0"),
    Row(
        "a small topic",
        create("b", configs={**_ONES, "retention.bytes": "100", "retention.ms": "-1"}),
        None,
        _NEW,
    ),
    Row("one there", produce(FIRST_AT_MS, name="b"), None, "0 offset=0 start=0"),
    Row("two there", produce(FIRST_AT_MS, name="b"), None, "0 offset=1 start=0"),
    Row("three there", produce(FIRST_AT_MS, name="b"), None, "0 offset=2 start=0"),
    Row("the oldest has gone", where(-2, "b"), 9, _found(1)),
    Row("the newest is the next", where(-3, "b"), 9, _found(1, FIRST_AT_MS)),
    Row("a topic with nothing to keep", create("n", configs={"retention.bytes": "0"}), None, _NEW),
    Row("one in that", produce(FIRST_AT_MS, name="n"), None, "0 offset=0 start=0"),
    Row("it has gone", where(-2, "n"), 9, _found(1)),
    Row("nothing is new there", where(-3, "n"), 9, f"0 {_LOST}"),
    Row("the epoch is known", where(-1, "n"), 9, _found(1)),
    Row("one more in that", produce(FIRST_AT_MS, name="n"), None, "0 offset=1 start=1"),
    Row("an old topic", create("o", configs={"retention.ms": "1000"}), None, _NEW),
    Row("old ones", produce(*_FIVE, name="o"), None, "0 offset=0 start=0"),
    Row("they have gone", where(-2, "o"), 9, _found(5)),
    Row("without a time", produce(-1, name="o"), None, "0 offset=5 start=5"),
    Row("it has gone too", where(-2, "o"), 9, _found(6)),
    Row("delete a topic", delete_topic("o"), None, "0"),
    Row("fetch from none", fetch(0, "o"), 12, "0 3 hw=-1 lso=-1 start=-1 bytes=0"),
)


async def differences(connection: Connection) -> list[str]:
    """Ask every row; those that are answered otherwise, in words.

    Where a log begins is asked until it is as written, within SETTLED_S, and so is whatever finds
    no leader yet on a topic that has just been made.
    """
    different = []
    for row in ROWS:
        deadline = time.monotonic() + SETTLED_S
        while True:
            answer = shown(await connection.request(row.message, version=row.version))
            is_settled = not (
                isinstance(row.message, ListOffsetsRequest) or answer[:2] in UNSETTLED
            )
            if answer == row.answer or is_settled or time.monotonic() > deadline:
                break
        if answer != row.answer:
            different.append(f"{row.name}: {answer!r}, Kafka: {row.answer!r}")
    return different
