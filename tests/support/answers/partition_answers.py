"""What Apache Kafka 4.3.1 answers about partitions, their records, sizes and producers.

As in admin_answers.py, with a topic `p` of their own.
"""

from __future__ import annotations

from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from minibroker.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from minibroker.protocol.messages.describe_cluster import DescribeClusterRequest
from minibroker.protocol.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
)
from minibroker.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.answers.admin_answers import Row, create

FIRST_AT_MS = 1_700_000_000_000


def grow(
    *names: str, to: int, assign: list[list[int]] | None = None, validate_only: bool = False
) -> CreatePartitionsRequest:
    """More partitions for topics."""
    assignments = None
    if assign is not None:
        assignments = [CreatePartitionsAssignment(broker_ids=brokers) for brokers in assign]
    return CreatePartitionsRequest(
        topics=[
            CreatePartitionsTopic(name=name, count=to, assignments=assignments) for name in names
        ],
        timeout_ms=5000,
        validate_only=validate_only,
    )


def produce(
    count: int, *, producer_id: int = -1, epoch: int = -1, sequence: int = -1
) -> ProduceRequest:
    """So many records, a millisecond apart, for partition 0 of the topic."""
    records = build_batch(
        [(None, b"v", (), FIRST_AT_MS + index) for index in range(count)],
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
    )
    part = PartitionProduceData(index=0, records=records)
    return ProduceRequest(
        acks=-1,
        timeout_ms=1000,
        topic_data=[TopicProduceData(name="p", partition_data=[part])],
    )


def delete_records(name: str, *offsets: tuple[int, int], times: int = 1) -> DeleteRecordsRequest:
    """What stands before each (partition, offset)."""
    topic = DeleteRecordsTopic(
        name=name,
        partitions=[
            DeleteRecordsPartition(partition_index=index, offset=offset)
            for index, offset in offsets
        ],
    )
    return DeleteRecordsRequest(topics=[topic] * times, timeout_ms=5000)


def log_dirs(*topics: tuple[str, list[int]]) -> DescribeLogDirsRequest:
    """The sizes of partitions."""
    return DescribeLogDirsRequest(
        topics=[
            DescribableLogDirTopic(topic=name, partitions=partitions) for name, partitions in topics
        ]
    )


def producers(name: str, *partitions: int) -> DescribeProducersRequest:
    """Who writes to partitions."""
    topic = DescribeProducersTopic(name=name, partition_indexes=list(partitions))
    return DescribeProducersRequest(topics=[topic])


def where(timestamp: int, name: str = "p", index: int = 0) -> ListOffsetsRequest:
    """Where a timestamp, or one of the special ones, is."""
    part = ListOffsetsPartition(partition_index=index, timestamp=timestamp)
    return ListOffsetsRequest(
        replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=[part])]
    )


def _found(offset: int, timestamp: int = -1, epoch: int = 0) -> str:
    return f"0 offset={offset} timestamp={timestamp} epoch={epoch}"


_LOST = "offset=-1 timestamp=-1 epoch=-1"
_P = (0, 1)
_WRITERS = f"0 0 4000:2 last=4@{FIRST_AT_MS + 1} -1 -1 4001:0 last=0@{FIRST_AT_MS} -1 -1"

ROWS = (
    Row("a topic to fill", create("p"), None, "0 partitions=1 factor=1"),
    Row("grow by one", grow("p", to=2), None, "0"),
    Row("grow, in v0", grow("p", to=3), 0, "0"),
    Row("grow, validate only", grow("p", to=9, validate_only=True), None, "0"),
    Row("grow badly, validate only", grow("p", to=1, validate_only=True), None, "37"),
    Row("grow without brokers", grow("p", to=4, assign=[]), None, "39"),
    Row("grow without a broker", grow("p", to=4, assign=[[]]), None, "39"),
    Row("grow on an unknown broker", grow("p", to=4, assign=[[9]]), None, "39"),
    Row("grow on a broker twice", grow("p", to=4, assign=[[1, 1]]), None, "39"),
    Row("grow by two on brokers", grow("p", to=5, assign=[[1], [1]]), None, "0"),
    Row("grow twice in one request", grow("p", "p", to=7), None, "42"),
    Row("grow to a negative number", grow("p", to=-1), None, "37"),
    Row("grow a badly named topic", grow("n o", to=3), None, "3"),
    Row("grow nothing", grow(to=3), None, ""),
    Row("no producers yet", producers("p", 0), None, "0 0"),
    Row("produce", produce(3), None, "0 offset=0"),
    Row(
        "produce with an id",
        produce(3, producer_id=4000, epoch=2, sequence=0),
        None,
        "0 offset=3",
    ),
    Row("and again", produce(2, producer_id=4000, epoch=2, sequence=3), None, "0 offset=6"),
    Row(
        "produce with another id",
        produce(1, producer_id=4001, epoch=0, sequence=0),
        None,
        "0 offset=8",
    ),
    Row("producers", producers("p", 0), None, _WRITERS),
    Row("producers of no partition", producers("p", 9), None, "9 3"),
    Row("producers of no topic", producers("no", 0), None, "0 3"),
    Row("producers of a badly named topic", producers("n o", 0), None, "0 17"),
    Row("producers, listed twice", producers("p", 1, 1), None, "1 0; 1 0"),
    Row("sizes", log_dirs(("p", [0, 1])), None, "0 0 p: 0=316 1=0 volume=yes"),
    Row("sizes, before volumes", log_dirs(("p", [0])), 3, "0 0 p: 0=316 volume=no"),
    Row("sizes, in v1", log_dirs(("p", [0])), 1, "0 0 p: 0=316 volume=no"),
    Row("sizes of no partition", log_dirs(("p", [9])), None, "0 0 volume=yes"),
    Row("sizes of no topic", log_dirs(("no", [0])), None, "0 0 volume=yes"),
    Row("sizes of nothing", log_dirs(), None, "0 0 volume=yes"),
    Row(
        "sizes, listed twice",
        log_dirs(("p", [0]), ("p", [0])),
        None,
        "0 0 p: 0=316 volume=yes",
    ),
    Row("earliest of some", where(-2), 9, _found(0)),
    Row("latest of some", where(-1), 9, _found(9)),
    Row("newest of some", where(-3), 9, _found(2, FIRST_AT_MS + 2)),
    Row("a time", where(FIRST_AT_MS + 1), 9, _found(1, FIRST_AT_MS + 1)),
    Row("a time before all", where(0), 9, _found(0, FIRST_AT_MS)),
    Row("a time after all", where(FIRST_AT_MS + 3), 9, f"0 {_LOST}"),
    Row("a time, in v1", where(FIRST_AT_MS + 1), 1, _found(1, FIRST_AT_MS + 1, -1)),
    Row("earliest local", where(-4), 9, _found(0)),
    Row("latest tiered", where(-5), 9, f"0 {_LOST}"),
    Row("latest of no partition", where(-1, index=9), 9, f"3 {_LOST}"),
    Row("latest of no topic", where(-1, "no"), 9, f"3 {_LOST}"),
    Row(
        "the cluster, with the fenced",
        DescribeClusterRequest(include_fenced_brokers=True),
        2,
        "0 type=1 controller=1 brokers=1 may=-2147483648",
    ),
    Row("delete one record", delete_records("p", (0, 1)), None, "0 start=1"),
    Row("delete what is gone", delete_records("p", (0, 0)), None, "0 start=1"),
    Row("delete, in v0", delete_records("p", (0, 2)), 0, "0 start=2"),
    Row("delete beyond the end", delete_records("p", (0, 100)), None, "1 start=-1"),
    Row("delete to nowhere", delete_records("p", (0, -2)), None, "1 start=-1"),
    Row("delete of no topic", delete_records("no", (0, 1)), None, "3 start=-1"),
    Row("delete of no partition", delete_records("p", (9, 1)), None, "3 start=-1"),
    Row("delete of a badly named topic", delete_records("n o", (0, 1)), None, "3 start=-1"),
    Row("delete, partition twice", delete_records("p", (0, 2), (0, 3)), None, "0 start=3"),
    Row("delete, topic twice", delete_records("p", (0, 4), times=2), None, "0 start=4"),
    Row("earliest after deleting", where(-2), 9, _found(4)),
    Row("a time after deleting", where(0), 9, _found(4, FIRST_AT_MS + 1)),
    Row("delete all", delete_records("p", (0, -1)), None, "0 start=9"),
    Row("earliest of none", where(-2), 9, _found(9)),
    Row("latest of none", where(-1), 9, _found(9)),
    Row("a time in none", where(0), 9, f"0 {_LOST}"),
    Row("produce after deleting", produce(3), None, "0 offset=9"),
    Row("a time after producing", where(FIRST_AT_MS + 1), 9, _found(10, FIRST_AT_MS + 1)),
    Row("delete nothing", DeleteRecordsRequest(topics=[], timeout_ms=100), None, ""),
)
