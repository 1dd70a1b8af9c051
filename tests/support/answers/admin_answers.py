"""What Apache Kafka 4.3.1 answers to requests other than Produce: one list, for any broker.

Each row is a request and the answer as short text: error codes, and whatever else a client decides
by. Rows are asked in order on one connection of a fresh broker; later ones rely on earlier ones.
tests/system/answers/test_admin_answers.py asks ours, tests/interop/answers/test_admin_answers.py
asks Kafka.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from minibroker.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from minibroker.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from minibroker.protocol.messages.describe_cluster import DescribeClusterRequest
from minibroker.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
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

ZERO_ID, OTHER_ID = bytes(16), b"x" * 16


class Row(NamedTuple):
    """A request, the version it is asked in (None for the highest), and Kafka's answer."""

    name: str
    message: Any
    version: int | None
    answer: str


def create(name: str, partitions: int = 1, factor: int = 1, **more: Any) -> CreateTopicsRequest:
    """One topic; `assign` gives brokers by partition, `configs` texts by name."""
    topic = CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[
            CreatableReplicaAssignment(partition_index=index, broker_ids=brokers)
            for index, brokers in more.get("assign", {}).items()
        ],
        configs=[
            CreatableTopicConfig(name=key, value=value)
            for key, value in more.get("configs", {}).items()
        ],
    )
    return CreateTopicsRequest(
        topics=[topic] * more.get("times", 1),
        timeout_ms=5000,
        validate_only=more.get("validate_only", False),
    )


def grow(name: str, count: int, assign: list[list[int]] | None = None) -> CreatePartitionsRequest:
    """More partitions for one topic."""
    assignments = None
    if assign is not None:
        assignments = [CreatePartitionsAssignment(broker_ids=brokers) for brokers in assign]
    topic = CreatePartitionsTopic(name=name, count=count, assignments=assignments)
    return CreatePartitionsRequest(topics=[topic], timeout_ms=5000, validate_only=False)


def delete(name: str | None, topic_id: bytes = ZERO_ID, times: int = 1) -> DeleteTopicsRequest:
    """Topics by name or id."""
    states = [DeleteTopicState(name=name, topic_id=topic_id)] * times
    return DeleteTopicsRequest(topics=states, topic_names=[], timeout_ms=5000)


def metadata(name: str | None, topic_id: bytes = ZERO_ID) -> MetadataRequest:
    """One topic, not to be created, with all that is authorized; by id from v12 on."""
    return MetadataRequest(
        topics=[MetadataRequestTopic(name=name, topic_id=topic_id)],
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=name is not None,
        include_topic_authorized_operations=True,
    )


def cluster(endpoint_type: int) -> DescribeClusterRequest:
    """The cluster, with all that is authorized."""
    return DescribeClusterRequest(
        include_cluster_authorized_operations=True, endpoint_type=endpoint_type
    )


def configs(kind: int, name: str, *keys: str) -> DescribeConfigsRequest:
    """Some properties of one resource."""
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=list(keys)
    )
    return DescribeConfigsRequest(resources=[resource], include_documentation=False)


def fetch(**more: int) -> FetchRequest:
    """Partition 0 of the topic, from offset 0 unless said otherwise."""
    session = {name: more.pop(name) for name in ("session_id", "session_epoch") if name in more}
    part = FetchPartition(
        partition=0,
        fetch_offset=more.get("fetch_offset", 0),
        partition_max_bytes=2**20,
        current_leader_epoch=more.get("current_leader_epoch", -1),
        last_fetched_epoch=more.get("last_fetched_epoch", -1),
    )
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=2**20,
        session_id=session.get("session_id", 0),
        session_epoch=session.get("session_epoch", -1),
        topics=[FetchTopic(topic="t", partitions=[part])],
        forgotten_topics_data=[],
    )


def offsets(timestamp: int, *, epoch: int = -1, times: int = 1) -> ListOffsetsRequest:
    """Where a timestamp, or one of the special ones, is."""
    part = ListOffsetsPartition(partition_index=0, timestamp=timestamp, current_leader_epoch=epoch)
    return ListOffsetsRequest(
        replica_id=-1, topics=[ListOffsetsTopic(name="t", partitions=[part] * times)]
    )


def epoch_end(leader_epoch: int, current: int = -1) -> OffsetForLeaderEpochRequest:
    """Where a leader epoch ended."""
    part = OffsetForLeaderPartition(
        partition=0, current_leader_epoch=current, leader_epoch=leader_epoch
    )
    return OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic="t", partitions=[part])])


def producer_id(transactional_id: str | None, before: int = -1) -> InitProducerIdRequest:
    """A producer id, half of the one of before given."""
    return InitProducerIdRequest(
        transactional_id=transactional_id, transaction_timeout_ms=60_000, producer_id=before
    )


SHOWN: dict[str, Callable[[Any], str]] = {
    "CreateTopicsResponse": lambda r: ",".join(
        f"{t.error_code} partitions={t.num_partitions} factor={t.replication_factor}"
        for t in r.topics
    ),
    "CreatePartitionsResponse": lambda r: ",".join(str(t.error_code) for t in r.results),
    "DeleteTopicsResponse": lambda r: ",".join(str(t.error_code) for t in r.responses),
    "MetadataResponse": lambda r: (
        ",".join(
            f"{t.error_code} {t.name} partitions={len(t.partitions)} "
            f"may={t.topic_authorized_operations}"
            for t in r.topics
        )
        + f" cluster={r.cluster_authorized_operations}"
    ),
    "DescribeClusterResponse": lambda r: (
        f"{r.error_code} type={r.endpoint_type} controller={r.controller_id} "
        f"brokers={len(r.brokers)} may={r.cluster_authorized_operations}"
    ),
    "DescribeConfigsResponse": lambda r: ",".join(
        f"{each.error_code} "
        + " ".join(
            sorted(
                f"{c.name}={c.value}/{c.config_source}/{c.config_type}"
                f"[{' '.join(f'{s.source}:{s.name}={s.value}' for s in c.synonyms)}]"
                for c in each.configs
            )
        )
        for each in r.results
    ),
    "IncrementalAlterConfigsResponse": lambda r: ",".join(str(t.error_code) for t in r.responses),
    "AlterConfigsResponse": lambda r: ",".join(str(t.error_code) for t in r.responses),
    "ProduceResponse": lambda r: ",".join(
        f"{p.error_code} offset={p.base_offset}" for t in r.responses for p in t.partition_responses
    ),
    "DeleteRecordsResponse": lambda r: ",".join(
        f"{p.error_code} start={p.low_watermark}" for t in r.topics for p in t.partitions
    ),
    "DescribeProducersResponse": lambda r: "; ".join(
        f"{p.partition_index} {p.error_code}"
        + "".join(
            f" {each.producer_id}:{each.producer_epoch} last={each.last_sequence}"
            f"@{each.last_timestamp} {each.coordinator_epoch} {each.current_txn_start_offset}"
            for each in p.active_producers
        )
        for t in r.topics
        for p in t.partitions
    ),
    "DescribeLogDirsResponse": lambda r: ",".join(
        f"{r.error_code} {each.error_code} "
        + "".join(
            f"{t.name}: "
            + "".join(
                f"{p.partition_index}={p.partition_size + p.offset_lag + p.is_future_key} "
                for p in sorted(t.partitions, key=lambda p: p.partition_index)
            )
            for t in each.topics
        )
        + f"volume={'yes' if each.total_bytes >= each.usable_bytes > 0 else 'no'}"
        for each in r.results
    ),
    "FetchResponse": lambda r: (
        f"{r.error_code} "
        + ",".join(
            f"{p.error_code} hw={p.high_watermark} lso={p.last_stable_offset} "
            f"start={p.log_start_offset} bytes={len(p.records)}"
            for t in r.responses
            for p in t.partitions
        )
    ),
    "ListOffsetsResponse": lambda r: ",".join(
        f"{p.error_code} offset={p.offset} timestamp={p.timestamp} epoch={p.leader_epoch}"
        for t in r.topics
        for p in t.partitions
    ),
    "OffsetForLeaderEpochResponse": lambda r: ",".join(
        f"{p.error_code} epoch={p.leader_epoch} end={p.end_offset}"
        for t in r.topics
        for p in t.partitions
    ),
    "InitProducerIdResponse": lambda r: f"{r.error_code} {r.producer_id} {r.producer_epoch}",
}


def shown(response: Any) -> str:
    """A response as the short text of a row."""
    return SHOWN[type(response).__name__](response)


_NONE = "partitions=-1 factor=-1"
_REFUSED = "0 {} hw=-1 lso=-1 start=-1 bytes=0"
_LOST = "offset=-1 timestamp=-1 epoch=-1"

ROWS = (
    Row("create", create("t"), None, "0 partitions=1 factor=1"),
    Row("create again", create("t"), None, f"36 {_NONE}"),
    Row("create twice in one request", create("u", times=2), None, f"42 {_NONE}"),
    Row("validate only", create("u", validate_only=True), None, "0 partitions=1 factor=1"),
    Row("validate only, there already", create("t", validate_only=True), None, f"36 {_NONE}"),
    Row("brokers and counts", create("v", assign={0: [1]}), None, f"42 {_NONE}"),
    Row("brokers", create("v", -1, -1, assign={0: [1]}), None, "0 partitions=1 factor=1"),
    Row("an unknown broker", create("w", -1, -1, assign={0: [9]}), None, f"39 {_NONE}"),
    Row("a gap in the brokers", create("w", -1, -1, assign={1: [1]}), None, f"39 {_NONE}"),
    Row("no partitions", create("w", 0), None, f"37 {_NONE}"),
    Row("no replicas", create("w", 1, 0), None, f"38 {_NONE}"),
    Row("an unknown property", create("w", configs={"nonsense": "1"}), None, f"40 {_NONE}"),
    Row("a null property", create("w", configs={"retention.ms": None}), None, f"40 {_NONE}"),
    Row("a bad property", create("w", configs={"retention.ms": "x"}), None, f"40 {_NONE}"),
    Row("a name with a dot", create("a.b"), None, "0 partitions=1 factor=1"),
    Row("a name that collides", create("a_b"), None, f"17 {_NONE}"),
    Row("describe", metadata("t"), 10, "0 t partitions=1 may=3576 cluster=8096"),
    Row("an unknown topic", metadata("no"), 10, "3 no partitions=0 may=3576 cluster=8096"),
    Row("a bad name", metadata("n o"), 10, "17 n o partitions=0 may=3576 cluster=8096"),
    Row(
        "an unknown id",
        metadata(None, OTHER_ID),
        12,
        "100 None partitions=0 may=-2147483648 cluster=-2147483648",
    ),
    Row("the cluster", cluster(1), None, "0 type=1 controller=1 brokers=1 may=8096"),
    Row("its controllers", cluster(2), None, "114 type=1 controller=-1 brokers=0 may=-2147483648"),
    Row("its cellars", cluster(7), None, "115 type=1 controller=-1 brokers=0 may=-2147483648"),
    Row(
        "a topic's properties",
        configs(2, "t", "retention.ms", "segment.bytes", "cleanup.policy"),
        None,
        "0 cleanup.policy=delete/5/7[] retention.ms=604800000/5/5[] segment.bytes=1073741824/5/3[]",
    ),
    Row("an unknown topic's", configs(2, "no"), None, "3 "),
    Row("a badly named topic's", configs(2, "n o"), None, "17 "),
    Row("a nameless topic's", configs(2, ""), None, "17 "),
    Row("another broker's", configs(4, "9"), None, "42 "),
    Row("a broker's whose id is no number", configs(4, "x"), None, "42 "),
    Row("those of no kind of resource", configs(3, "t"), None, "42 "),
    Row("grow to the same", grow("t", 1), None, "37"),
    Row("grow to less", grow("t", 0), None, "37"),
    Row("grow an unknown topic", grow("no", 3), None, "3"),
    Row("grow by two with one broker", grow("t", 3, [[1]]), None, "39"),
    Row("grow", grow("t", 2, [[1]]), None, "0"),
    Row("fetch nothing", fetch(), 12, "0 0 hw=0 lso=0 start=0 bytes=0"),
    Row("fetch too far", fetch(fetch_offset=5), 12, _REFUSED.format(1)),
    Row("fetch of a future epoch", fetch(current_leader_epoch=9), 12, _REFUSED.format(75)),
    Row("fetch after a future epoch", fetch(last_fetched_epoch=9), 12, _REFUSED.format(1)),
    Row("fetch in a lost session", fetch(session_id=77, session_epoch=3), 12, "70 "),
    Row("latest", offsets(-1), 9, "0 offset=0 timestamp=-1 epoch=0"),
    Row("earliest", offsets(-2), 9, "0 offset=0 timestamp=-1 epoch=0"),
    Row("newest of nothing", offsets(-3), 9, f"0 {_LOST}"),
    Row("newest, before it was known", offsets(-3), 6, f"35 {_LOST}"),
    Row("an unknown special", offsets(-99), 9, f"35 {_LOST}"),
    Row("a time nothing reaches", offsets(0), 9, f"0 {_LOST}"),
    Row("latest of a future epoch", offsets(-1, epoch=9), 9, f"75 {_LOST}"),
    Row("latest, listed twice", offsets(-1, times=2), 9, f"42 {_LOST}"),
    Row("end of this epoch", epoch_end(0), None, "0 epoch=0 end=0"),
    Row("end of a future epoch", epoch_end(5), None, "0 epoch=-1 end=-1"),
    Row("end of no epoch", epoch_end(-1), None, "0 epoch=-1 end=-1"),
    Row("end, by a future epoch", epoch_end(0, 9), None, "75 epoch=-1 end=-1"),
    Row("half a producer id", producer_id(None, 5), None, "42 -1 -1"),
    Row("an empty transactional id", producer_id(""), None, "42 -1 -1"),
    Row("delete an unknown topic", delete("no"), None, "3"),
    Row("delete an unknown id", delete(None, OTHER_ID), None, "100"),
    Row("delete twice in one request", delete("v", times=2), None, "42"),
    Row("delete by name and id", delete("v", OTHER_ID), None, "42"),
    Row("delete", delete("v"), None, "0"),
)
