"""What fuzzing starts from: request frames that reach every handler, and batches of every codec.

The golden bodies come from a foreign serializer and name nothing that exists; the live requests
below are about TOPIC, which every fuzzed broker has, so that their mutants get past the first
check. Frames stand here without their four size bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from minibroker.protocol.apis import APIS, request_type
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.codec.compiler import encoder
from minibroker.protocol.codec.schema import api_of
from minibroker.protocol.compression import Codec
from minibroker.protocol.errors import EncodeError
from minibroker.protocol.header import RequestHeader, encode_request_header
from minibroker.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from minibroker.protocol.messages.create_topics import (
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
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
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
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.records.batches import COMMIT_MARKER, GOLDEN
from tests.support.records.golden import golden_bodies

TOPIC = "fuzzed"
OTHER_TOPIC = "fuzzed-too"  # comes and goes
NOW_MS = 1_700_000_000_000
CORRELATION_ID = 0x01020304
_RECORDS = [
    (b"key", b"value" * 20, (("h", b"1"), ("h", None)), NOW_MS),
    (None, None, (), NOW_MS + 5),
    (b"", b"", (), NOW_MS - 5),
]


@cache
def batches() -> tuple[bytes, ...]:
    """Whole batches: golden ones, every codec, with and without a producer."""
    made = [
        build_batch(_RECORDS[:count], codec=codec, **producer)
        for count in (1, 3)
        for codec in Codec
        for producer in (
            {},
            {"producer_id": 7, "producer_epoch": 0, "base_sequence": 0},
            {"producer_id": 7, "producer_epoch": 0, "base_sequence": count},
        )
    ]
    return (GOLDEN, bytes(8) + COMMIT_MARKER[8:], *made)


@cache
def request_frames() -> tuple[bytes, ...]:
    """Every served request at every version, golden and live."""
    golden = [
        framed(each.which.message, each.which.version, each.body)
        for each in golden_bodies()
        if each.which.message in _REQUESTS
    ]
    live = [
        framed(type(message), version, b"".join(body))
        for message in _live_requests()
        for version, body in _in_every_version(message)
    ]
    return (*golden, *live)


def framed(message: type[Any], version: int, body: bytes) -> bytes:
    """A request's header and body, without size bytes."""
    header = RequestHeader(api_of(message).key, version, CORRELATION_ID, "fuzz")
    return encode_request_header(header) + body


def produce(
    batch: bytes, *, topic: str = TOPIC, partition: int = 0, acks: int = -1
) -> ProduceRequest:
    """One batch for one partition."""
    data = PartitionProduceData(index=partition, records=batch)
    topics = [TopicProduceData(name=topic, partition_data=[data])]
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=topics)


def fetch(offset: int = 0, *, topic: str = TOPIC, wait_ms: int = 0) -> FetchRequest:
    """Partition 0 from an offset on."""
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=2**20)
    topics = [FetchTopic(topic=topic, partitions=[wanted])]
    return FetchRequest(max_wait_ms=wait_ms, min_bytes=1, topics=topics)


_REQUESTS = frozenset(request_type(key) for key in APIS)


def _in_every_version(message: Any) -> Iterator[tuple[int, list[Any]]]:
    first, last = api_of(type(message)).versions
    for version in range(first, last + 1):
        try:
            yield version, encoder(type(message), version)(message)
        except EncodeError:
            continue  # it says something that this version cannot


def _live_requests() -> Iterator[Any]:
    for index, batch in enumerate(batches()):
        yield produce(batch, partition=index % 2, acks=(-1, 1, 0)[index % 3])
    yield fetch()
    yield fetch(1, wait_ms=20)
    yield fetch(wait_ms=600_000, topic=OTHER_TOPIC)
    for timestamp in (-1, -2, -3, NOW_MS):
        asked = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
        yield ListOffsetsRequest(topics=[ListOffsetsTopic(name=TOPIC, partitions=[asked])])
    yield MetadataRequest(topics=None)
    for name in (TOPIC, OTHER_TOPIC):
        yield MetadataRequest(topics=[MetadataRequestTopic(name=name)])
    config = CreatableTopicConfig(name="segment.bytes", value="1048576")
    new = CreatableTopic(name=OTHER_TOPIC, num_partitions=3, replication_factor=1, configs=[config])
    yield CreateTopicsRequest(topics=[new])
    gone = DeleteTopicState(name=OTHER_TOPIC)
    yield DeleteTopicsRequest(topics=[gone], topic_names=[OTHER_TOPIC], timeout_ms=1000)
    more = CreatePartitionsTopic(name=OTHER_TOPIC, count=5)
    yield CreatePartitionsRequest(topics=[more], timeout_ms=1000)
    yield InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    epoch = OffsetForLeaderPartition(partition=0, leader_epoch=0)
    topics = [OffsetForLeaderTopic(topic=TOPIC, partitions=[epoch])]
    yield OffsetForLeaderEpochRequest(topics=topics)
    of_topic = DescribeConfigsResource(resource_type=2, resource_name=TOPIC)
    of_broker = DescribeConfigsResource(resource_type=4, resource_name="1")
    yield DescribeConfigsRequest(
        resources=[of_topic, of_broker], include_synonyms=True, include_documentation=True
    )
    yield FindCoordinatorRequest(key="group", coordinator_keys=["group"])
    yield DescribeClusterRequest()
